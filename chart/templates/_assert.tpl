{{/* Contradictions that a schema cannot word. One message names all of them. */}}
{{- define "bp-openclaw.assert" -}}
{{- $faults := list -}}
{{- $tls := .Values.webhook.tls -}}
{{- if has .Values.tenant.namespace (list "kube-system" .Release.Namespace) -}}
{{- $faults = append $faults (printf "tenant.namespace is %q, which is kube-system or the release's own namespace: user pods need one of their own, because no pod of these is injected" .Values.tenant.namespace) -}}
{{- end -}}
{{- if has .Values.tenant.namespace .Values.webhook.excludedNamespaces -}}
{{- $faults = append $faults (printf "webhook.excludedNamespaces holds tenant.namespace %q: no user pod would be injected" .Values.tenant.namespace) -}}
{{- end -}}
{{- if and (eq .Values.gateway.scope "shared") (not .Values.gateway.generate) (not .Values.gateway.existingSecret) -}}
{{- $faults = append $faults "gateway.generate is false, but gateway.existingSecret is empty: name a Secret of the tenant namespace that has the key OPENCLAW_GATEWAY_TOKEN, or let one be made" -}}
{{- end -}}
{{- if eq (include "bp-openclaw.sharedGatewayFault" .) "keyless" -}}
{{- $faults = append $faults (printf "the Secret %s/%s has no value under the key OPENCLAW_GATEWAY_TOKEN: no user's pod would start" .Values.tenant.namespace (include "bp-openclaw.sharedGateway" .)) -}}
{{- end -}}
{{- if and (eq .Values.gateway.scope "perUser") .Values.gateway.existingSecret -}}
{{- $faults = append $faults "gateway.existingSecret is set, but gateway.scope is perUser: set gateway.scope to shared, or leave existingSecret empty" -}}
{{- end -}}
{{- $faults = concat $faults (include "bp-openclaw.frontFaults" . | fromJsonArray) -}}
{{- with .Values.keycloak.authorizedParties -}}
{{- if and (include "bp-openclaw.publicURL" $) (not (has $.Values.keycloak.clientId .)) -}}
{{- $faults = append $faults (printf "keycloak.authorizedParties lacks keycloak.clientId %q: nobody who signs in with a browser would be let in" $.Values.keycloak.clientId) -}}
{{- end -}}
{{- end -}}
{{- if eq $tls.mode "provided" -}}
{{- if not (and $tls.provided.secretName $tls.provided.caBundle) -}}
{{- $faults = append $faults "webhook.tls.mode is provided: set webhook.tls.provided.secretName and webhook.tls.provided.caBundle" -}}
{{- end -}}
{{- else if or $tls.provided.secretName $tls.provided.caBundle -}}
{{- $faults = append $faults (printf "webhook.tls.provided is set, but webhook.tls.mode is %s: set it to provided" $tls.mode) -}}
{{- end -}}
{{- $faults = concat $faults (include "bp-openclaw.podFaults" . | fromJsonArray) -}}
{{- $faults = concat $faults (include "bp-openclaw.valueFaults" . | fromJsonArray) -}}
{{- $sleep := .Values.spawner.sleep -}}
{{- if not (or .Values.runtime.home.persistent $sleep.allowHomeLoss) -}}
{{- range $name := list "idleTimeout" "maxAge" -}}
{{- $value := get $sleep $name -}}
{{- if regexMatch "[1-9]" $value -}}
{{- $faults = append $faults (printf "spawner.sleep.%s is %s, but runtime.home.persistent is false, so that users lose their homes: set it to 0s, or spawner.sleep.allowHomeLoss to true" $name $value) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- $label := include "bp-openclaw.userLabel" . -}}
{{- if hasKey .Values.runtime.home.claimLabels $label -}}
{{- $faults = append $faults (printf "runtime.home.claimLabels holds %s, which names each claim's own user: remove it" $label) -}}
{{- end -}}
{{- if .Values.assertNoPlaceholders -}}
{{- range (include "bp-openclaw.placeholders" . | fromJsonArray) -}}
{{- $faults = append $faults (printf "%s is still a placeholder" .) -}}
{{- end -}}
{{- end -}}
{{- if $faults -}}
{{- fail (printf "\n  - %s\n" (join "\n  - " $faults)) -}}
{{- end -}}
{{- end -}}

{{/* The values that still hold a placeholder, as a JSON array of their names. The host and the client's
Secret count only where people sign in with them. */}}
{{- define "bp-openclaw.placeholders" -}}
{{- $left := include "bp-openclaw.placeholdersIn" (list "" .Values) | fromJsonArray -}}
{{- if and .Values.spawner.publicURL (not .Values.ingress.enabled) (not .Values.httpRoute.enabled) -}}
{{- $left = without $left "ingress.host" -}}
{{- end -}}
{{- if not (include "bp-openclaw.publicURL" .) -}}
{{- $left = without $left "keycloak.clientSecretName" -}}
{{- end -}}
{{- toJson ($left | sortAlpha) -}}
{{- end -}}

{{/* The same of one value and all below it. Takes (list name value). */}}
{{- define "bp-openclaw.placeholdersIn" -}}
{{- $left := list -}}
{{- $name := index . 0 -}}
{{- $value := index . 1 -}}
{{- if kindIs "map" $value -}}
{{- range $key, $inner := $value -}}
{{- $left = concat $left (include "bp-openclaw.placeholdersIn" (list (printf "%s.%s" $name $key | trimPrefix ".") $inner) | fromJsonArray) -}}
{{- end -}}
{{- else if kindIs "slice" $value -}}
{{- range $index, $inner := $value -}}
{{- $left = concat $left (include "bp-openclaw.placeholdersIn" (list (printf "%s[%d]" $name $index) $inner) | fromJsonArray) -}}
{{- end -}}
{{- else if and (kindIs "string" $value) (contains "placeholder" ($value | toString | lower)) -}}
{{- $left = append $left $name -}}
{{- end -}}
{{- toJson $left -}}
{{- end -}}
