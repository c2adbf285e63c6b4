{{/* NetworkPolicy rules that more than one policy needs. */}}

{{/* DNS goes to port 53 of anywhere: NodeLocal DNSCache answers on a link-local address. */}}
{{- define "bp-openclaw.egressDNS" -}}
- ports:
    - {port: 53, protocol: UDP}
    - {port: 53, protocol: TCP}
{{- end -}}

{{/* The API server is no pod and its address is not known here, so only its ports can be named. */}}
{{- define "bp-openclaw.egressAPIServer" -}}
- ports:
    {{- range .Values.networkPolicy.egress.apiServerPorts }}
    - {port: {{ . }}, protocol: TCP}
    {{- end }}
{{- end -}}

{{/* Where the spawner trades codes and refresh tokens: within the cluster, or at the issuer. */}}
{{- define "bp-openclaw.egressLogin" -}}
{{- $url := default .Values.keycloak.realmURL .Values.keycloak.internalURL -}}
{{- include "bp-openclaw.egressTo" (list . $url .Values.networkPolicy.egress.keycloak) -}}
{{- end -}}

{{/* Where the keys of tokens are read: the JWKS address if there is one, otherwise the issuer. */}}
{{- define "bp-openclaw.egressKeycloak" -}}
{{- $url := default .Values.keycloak.realmURL .Values.keycloak.jwksURL -}}
{{- include "bp-openclaw.egressTo" (list . $url .Values.networkPolicy.egress.keycloak) -}}
{{- end -}}

{{- define "bp-openclaw.egressNewAPI" -}}
{{- include "bp-openclaw.egressTo" (list . .Values.newapi.baseURL .Values.networkPolicy.egress.newapi) -}}
{{- end -}}

{{/* Egress rules to a URL: the given rules, or what follows from its host.
Takes (list root url rules). */}}
{{- define "bp-openclaw.egressTo" -}}
{{- $root := index . 0 -}}
{{- $url := urlParse (index . 1) -}}
{{- $host := $url.hostname -}}
{{- $port := regexFind ":[0-9]+$" $url.host | trimPrefix ":" | default (ternary "80" "443" (eq $url.scheme "http")) -}}
{{- if index . 2 -}}
{{- toYaml (index . 2) -}}
{{- else if regexMatch `^[^.]+\.[^.]+\.svc(\..*)?$` $host -}}
{{- /* No port: a policy sees the port of the pod behind the Service, which the URL does not tell. */ -}}
- to:
    - namespaceSelector:
        matchLabels: {kubernetes.io/metadata.name: {{ index (splitList "." $host) 1 }}}
{{- else if regexMatch `^[0-9]+(\.[0-9]+){3}$` $host -}}
- to:
    - ipBlock: {cidr: {{ $host }}/32}
  ports:
    - {port: {{ $port }}, protocol: TCP}
{{- else if contains ":" $host -}}
- to:
    - ipBlock: {cidr: "{{ $host }}/128"}
  ports:
    - {port: {{ $port }}, protocol: TCP}
{{- else -}}
- to:
    {{- range $all := list "0.0.0.0/0" "::/0" }}
    - ipBlock:
        cidr: {{ $all | quote }}
        except:
          {{- range $root.Values.networkPolicy.egress.privateCIDRs }}
          {{- if eq (contains ":" .) (contains ":" $all) }}
          - {{ . | quote }}
          {{- end }}
          {{- end }}
    {{- end }}
  ports:
    - {port: {{ $port }}, protocol: TCP}
{{- end -}}
{{- end -}}
