{{/* What the webhook's and the spawner's pods have in common. */}}

{{/* Satisfies Pod Security `restricted`. The images are static binaries on scratch. */}}
{{- define "bp-openclaw.podSecurityContext" -}}
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
fsGroup: 65532
seccompProfile: {type: RuntimeDefault}
{{- end -}}

{{- define "bp-openclaw.containerSecurityContext" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end -}}

{{/* readyz turns 503 before the listener closes, so an endpoint leaves the Service first. */}}
{{- define "bp-openclaw.probes" -}}
startupProbe:
  httpGet: {path: /livez, port: admin}
  periodSeconds: 1
  failureThreshold: 60
readinessProbe:
  httpGet: {path: /readyz, port: admin}
  periodSeconds: 2
  failureThreshold: 1
livenessProbe:
  httpGet: {path: /livez, port: admin}
  periodSeconds: 10
{{- end -}}

{{/* Where pods go. The spread is soft: a hard one hangs on a single node.
Takes (list root component). */}}
{{- define "bp-openclaw.placement" -}}
{{- $root := index . 0 -}}
{{- $values := index $root.Values (index . 1) -}}
topologySpreadConstraints:
  {{- with $values.topologySpreadConstraints }}
  {{- toYaml . | nindent 2 }}
  {{- else }}
  - maxSkew: 1
    topologyKey: kubernetes.io/hostname
    whenUnsatisfiable: ScheduleAnyway
    labelSelector:
      matchLabels:
        {{- include "bp-openclaw.selectorLabels" . | nindent 8 }}
  {{- end }}
{{- with $values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- with $values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $values.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $values.affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $root.Values.imagePullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{/* The labels of a component's pods. Takes (list root component). */}}
{{- define "bp-openclaw.podLabels" -}}
{{ include "bp-openclaw.labels" . }}
{{- with (index (index . 0).Values (index . 1)).podLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* Requests and limits; equal where the whole release is to have the class Guaranteed.
Takes (list root resources). */}}
{{- define "bp-openclaw.resources" -}}
{{- $resources := index . 1 -}}
{{- if (index . 0).Values.guaranteedResources -}}
{{- $resources = merge (dict "requests" $resources.limits) (omit $resources "requests") -}}
{{- end -}}
{{- toYaml $resources -}}
{{- end -}}

{{/* Which tokens the spawner and every auth sidecar accept, as flags in a JSON array; both judge alike. */}}
{{- define "bp-openclaw.tokenArgs" -}}
{{- $args := list -}}
{{- range .Values.keycloak.authorizedParties -}}
{{- $args = append $args (printf "--authorized-party=%s" .) -}}
{{- end -}}
{{- with .Values.keycloak.leeway -}}
{{- $args = append $args (printf "--leeway=%s" .) -}}
{{- end -}}
{{- with .Values.keycloak.maxTokenLifetime -}}
{{- $args = append $args (printf "--max-lifetime=%s" .) -}}
{{- end -}}
{{- toJson $args -}}
{{- end -}}

{{- define "bp-openclaw.logEnv" -}}
- {name: LOG_FORMAT, value: {{ .Values.logging.format | quote }}}
- {name: LOG_LEVEL, value: {{ .Values.logging.level | quote }}}
{{- end -}}
