{{/* webhook.yaml: all that the webhook knows. It asks the API server nothing during an admission. */}}
{{- define "bp-openclaw.webhookConfig" -}}
sidecar:
  image: {{ include "bp-openclaw.image" (list . "sidecar") }}
  imagePullPolicy: {{ .Values.imagePullPolicy }}
  resources:
    {{- with .Values.sidecar.resources }}
    cpuRequest: {{ .requests.cpu | quote }}
    cpuLimit: {{ .limits.cpu | quote }}
    memoryRequest: {{ .requests.memory | quote }}
    memoryLimit: {{ .limits.memory | quote }}
    {{- end }}
oidc:
  issuer: {{ .Values.keycloak.realmURL | quote }}
  {{- with .Values.keycloak.jwksURL }}
  jwksUrl: {{ . | quote }}
  {{- end }}
  audience: {{ .Values.keycloak.audience | quote }}
  userClaim: {{ .Values.keycloak.userClaim | quote }}
gateway:
  scope: {{ .Values.gateway.scope }}
  {{- with .Values.gateway.existingSecret }}
  sharedSecret: {{ . }}
  {{- end }}
defaults:
  upstreamPort: {{ .Values.runtime.port }}
  gatewayAuth: token
  tokenSync: enabled
  configPath: {{ .Values.runtime.home.statePath }}/openclaw.json
seedConfigMap: {{ include "bp-openclaw.seed" . }}
excludedNamespaces:
  {{- include "bp-openclaw.excludedNamespaces" . | nindent 2 }}
tls:
  {{- if eq .Values.webhook.tls.mode "self" }}
  mode: self
  secret: {{ include "bp-openclaw.tlsSecret" . }}
  webhookConfiguration: {{ include "bp-openclaw.clusterName" (list . "webhook") }}
  service: {{ include "bp-openclaw.webhook" . }}
  namespace: {{ .Release.Namespace }}
  {{- else }}
  mode: provided
  certFile: /etc/openclaw-tls/tls.crt
  keyFile: /etc/openclaw-tls/tls.key
  {{- end }}
{{- end -}}
