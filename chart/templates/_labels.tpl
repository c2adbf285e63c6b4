{{/* The label that names a pod's user (contract/src/label.rs). */}}
{{- define "bp-openclaw.userLabel" -}}catalyst.openova.io/openclaw-user{{- end -}}

{{/* What selects the pods of a component; immutable in a Deployment. Takes (list root component). */}}
{{- define "bp-openclaw.selectorLabels" -}}
{{- $root := index . 0 -}}
app.kubernetes.io/name: {{ include "bp-openclaw.name" $root }}
app.kubernetes.io/instance: {{ $root.Release.Name }}
app.kubernetes.io/component: {{ index . 1 }}
{{- end -}}

{{/* Labels of every object. Takes (list root component). */}}
{{- define "bp-openclaw.labels" -}}
{{- $root := index . 0 -}}
helm.sh/chart: {{ printf "%s-%s" $root.Chart.Name $root.Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
{{ include "bp-openclaw.selectorLabels" . }}
app.kubernetes.io/version: {{ $root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ $root.Release.Service }}
app.kubernetes.io/part-of: bp-openclaw
catalyst.openova.io/blueprint: bp-openclaw
{{- with $root.Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}
