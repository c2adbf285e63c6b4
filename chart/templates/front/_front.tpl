{{/* The address that people open; everything that needs it takes it from here. Empty: no login. */}}
{{- define "bp-openclaw.publicURL" -}}
{{- if .Values.spawner.publicURL -}}
{{ .Values.spawner.publicURL | trimSuffix "/" }}
{{- else if .Values.ingress.host -}}
https://{{ .Values.ingress.host }}
{{- end -}}
{{- end -}}

{{/* The hosts that lead to the spawner, as a JSON array: the public one, and the operators' own. */}}
{{- define "bp-openclaw.frontHosts" -}}
{{- $hosts := list .Values.ingress.host -}}
{{- with .Values.spawner.controlURL -}}
{{- $hosts = append $hosts (urlParse .).hostname -}}
{{- end -}}
{{- toJson $hosts -}}
{{- end -}}

{{/* What is wrong with the way in, as a JSON array of messages. */}}
{{- define "bp-openclaw.frontFaults" -}}
{{- $faults := list -}}
{{- $host := .Values.ingress.host -}}
{{- $url := .Values.spawner.publicURL -}}
{{- range $kind, $enabled := dict "ingress" .Values.ingress.enabled "httpRoute" .Values.httpRoute.enabled -}}
{{- if and $enabled (not $host) -}}
{{- $faults = append $faults (printf "%s.enabled is true, but ingress.host is empty: set the host that people open" $kind) -}}
{{- else if and $enabled $url (ne (urlParse $url).hostname $host) -}}
{{- $faults = append $faults (printf "%s.enabled leads from ingress.host %q, but spawner.publicURL is %q: leave spawner.publicURL empty, it follows from ingress.host" $kind $host $url) -}}
{{- end -}}
{{- end -}}
{{- if and .Values.ingress.tls.issuer (not .Values.ingress.tls.enabled) -}}
{{- $faults = append $faults "ingress.tls.issuer is set, but ingress.tls.enabled is false: no certificate would be asked for" -}}
{{- end -}}
{{- if and .Values.httpRoute.enabled (not .Values.httpRoute.parentRefs) -}}
{{- $faults = append $faults "httpRoute.enabled is true, but httpRoute.parentRefs is empty: name the Gateway" -}}
{{- end -}}
{{- if and (include "bp-openclaw.publicURL" .) (not .Values.keycloak.clientSecretName) -}}
{{- $faults = append $faults "people sign in at ingress.host or spawner.publicURL, but keycloak.clientSecretName is empty: name a Secret of the release's namespace that has the key OIDC_CLIENT_SECRET, or leave both empty" -}}
{{- end -}}
{{- with .Values.spawner.controlURL -}}
{{- $public := include "bp-openclaw.publicURL" $ -}}
{{- if not $public -}}
{{- $faults = append $faults "spawner.controlURL is set, but neither ingress.host nor spawner.publicURL is: people sign in nowhere" -}}
{{- else if eq (urlParse .).hostname (urlParse $public).hostname -}}
{{- $faults = append $faults (printf "spawner.controlURL is %q, which has the host of the public address: it needs another, because browsers share cookies between the ports of a host" .) -}}
{{- end -}}
{{- end -}}
{{- toJson $faults -}}
{{- end -}}
