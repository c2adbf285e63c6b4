{{/* openclaw.json for an empty home. ${..} is left for OpenClaw itself; token-sync then writes the
token and the base URL, normalised, so that /v1 is there once. */}}
{{- define "bp-openclaw.openclawConfig" -}}
{{- $models := list -}}
{{- range .Values.newapi.models -}}
{{- $models = append $models (dict "id" . "name" .) -}}
{{- end -}}
{{- $provider := dict
  "baseUrl" "${NEWAPI_BASE_URL}/v1"
  "apiKey" "${NEWAPI_KEY}"
  "api" "openai-completions"
  "models" $models -}}
{{- /* Loopback, because the auth sidecar is the only way in. */ -}}
{{- $gateway := dict
  "mode" "local"
  "bind" "loopback"
  "port" (int .Values.runtime.port)
  "auth" (dict "mode" "token")
  "http" (dict "endpoints" (dict "chatCompletions" (dict "enabled" true))) -}}
{{- with concat (compact (list (include "bp-openclaw.publicURL" .))) .Values.gateway.allowedOrigins | uniq -}}
{{- $_ := set $gateway "controlUi" (dict "allowedOrigins" .) -}}
{{- end -}}
{{- $config := dict
  "gateway" $gateway
  "models" (dict "mode" "replace" "providers" (dict "newapi" $provider))
  "agents" (dict "defaults" (dict
    "model" (dict "primary" (printf "newapi/%s" (first .Values.newapi.models)))
    "skipBootstrap" true)) -}}
{{- toPrettyJson (mergeOverwrite $config (deepCopy .Values.runtime.config)) -}}
{{- end -}}
