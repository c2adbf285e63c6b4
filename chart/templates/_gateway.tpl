{{/* What the cluster says about the shared Secret: missing, keyless, or nothing. `lookup` finds nothing
in `helm template` and in a client's dry run, so it never decides whether a token is made; and only a
namespace that is found tells that a Secret that is not found is missing. */}}
{{- define "bp-openclaw.sharedGatewayFault" -}}
{{- $name := include "bp-openclaw.sharedGateway" . -}}
{{- if and $name (lookup "v1" "Namespace" "" .Values.tenant.namespace) -}}
{{- $secret := lookup "v1" "Secret" .Values.tenant.namespace $name | default dict -}}
{{- if not $secret -}}
missing
{{- else if not (get ($secret.data | default dict) "OPENCLAW_GATEWAY_TOKEN") -}}
keyless
{{- end -}}
{{- end -}}
{{- end -}}

{{/* For NOTES: what is to know of the token that all users share. */}}
{{- define "bp-openclaw.sharedGatewayNotes" -}}
{{- $secret := printf "%s/%s" .Values.tenant.namespace (include "bp-openclaw.sharedGateway" .) -}}
{{- $missing := eq (include "bp-openclaw.sharedGatewayFault" .) "missing" -}}
All users share the gateway token of the Secret {{ $secret }}, key OPENCLAW_GATEWAY_TOKEN.
{{- if include "bp-openclaw.makesSharedGateway" . }}
The spawner made it, and keeps it; no upgrade and no uninstall changes it. For a new token delete the Secret, then restart the users' pods.
{{- if and $missing .Release.IsUpgrade }}

THE SECRET {{ $secret }} IS NOT THERE. The spawner makes it with a new token within half a minute. If there was one before, it was
deleted: pods that run keep the old token until they are restarted, and whoever uses the token needs the new one.
{{- end }}
{{- else if $missing }}

THE SECRET {{ $secret }} IS NOT THERE. No user's pod starts before it is: make it with the key OPENCLAW_GATEWAY_TOKEN.
{{- end }}
{{- end -}}
