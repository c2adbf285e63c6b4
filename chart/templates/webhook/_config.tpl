{{/* webhook.yaml: all that the webhook knows. It asks the API server nothing during an admission. */}}
{{- define "bp-openclaw.webhookConfig" -}}
sidecar:
  image: {{ include "bp-openclaw.image" (list . "sidecar") }}
  imagePullPolicy: {{ .Values.imagePullPolicy }}
  resources:
    {{- with include "bp-openclaw.resources" (list . .Values.sidecar.resources) | fromYaml }}
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
  {{- with .Values.keycloak.authorizedParties }}
  authorizedParties: {{ toJson . }}
  {{- end }}
  {{- with .Values.keycloak.leeway }}
  leeway: {{ . | quote }}
  {{- end }}
  {{- with .Values.keycloak.maxTokenLifetime }}
  maxTokenLifetime: {{ . | quote }}
  {{- end }}
  {{- with .Values.keycloak.logoutClient }}
  logoutClient: {{ . | quote }}
  {{- end }}
  {{- if .Values.keycloak.caBundle }}
  caConfigMap: {{ include "bp-openclaw.ca" . }}
  {{- end }}
gateway:
  scope: {{ .Values.gateway.scope }}
  {{- with include "bp-openclaw.sharedGateway" . }}
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
  {{- with .Values.webhook.tls.self }}
  caLifetime: {{ .caLifetime | quote }}
  leafLifetime: {{ .leafLifetime | quote }}
  settle: {{ .settle | quote }}
  {{- end }}
  {{- else }}
  mode: {{ .Values.webhook.tls.mode }}
  certFile: /etc/openclaw-tls/tls.crt
  keyFile: /etc/openclaw-tls/tls.key
  {{- /* What the API server trusts, and calls: ready is only who serves a certificate for that. */}}
  caFile: {{ ternary "/etc/openclaw/ca.crt" "/etc/openclaw-tls/ca.crt" (eq .Values.webhook.tls.mode "provided") }}
  serverName: {{ include "bp-openclaw.webhook" . }}.{{ .Release.Namespace }}.svc
  {{- end }}
  {{- if .Values.webhook.tls.clientCA }}
  clientCa: /etc/openclaw/client-ca.crt
  {{- end }}
{{- end -}}
