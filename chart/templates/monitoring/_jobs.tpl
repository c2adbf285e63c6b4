{{/* How Prometheus tells this release's targets apart: the Operator names a job after its PodMonitor,
<namespace>/<name>. Takes (list root component). */}}
{{- define "bp-openclaw.job" -}}
{{- $root := index . 0 -}}
job="{{ $root.Release.Namespace }}/{{ include "bp-openclaw.fullname" $root }}-{{ index . 1 }}"
{{- end -}}

{{/* One alert. Takes (list name for severity expression summary description); an empty `for` fires at
once. The expression and the words may hold $labels and $value of Prometheus. */}}
{{- define "bp-openclaw.alert" -}}
- alert: {{ index . 0 }}
  expr: {{ index . 3 | toJson }}
  {{- with index . 1 }}
  for: {{ . }}
  {{- end }}
  labels: {severity: {{ index . 2 }}}
  annotations:
    summary: {{ index . 4 | toJson }}
    description: {{ index . 5 | toJson }}
{{- end -}}
