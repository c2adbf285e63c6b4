{{/* What the free-form options must leave to the chart, as a JSON array of faults. */}}
{{- define "bp-openclaw.podFaults" -}}
{{- $faults := list -}}
{{- $ours := list "helm.sh/chart" "app.kubernetes.io/name" "app.kubernetes.io/instance" "app.kubernetes.io/component" "app.kubernetes.io/version" "app.kubernetes.io/managed-by" "app.kubernetes.io/part-of" "catalyst.openova.io/blueprint" (include "bp-openclaw.userLabel" .) -}}
{{- $labels := dict "commonLabels" .Values.commonLabels "webhook.podLabels" .Values.webhook.podLabels "spawner.podLabels" .Values.spawner.podLabels "runtime.podLabels" .Values.runtime.podLabels -}}
{{- range $key := keys $labels | sortAlpha -}}
{{- range $label := keys (get $labels $key) | sortAlpha -}}
{{- if has $label $ours -}}
{{- $faults = append $faults (printf "%s holds %s, which the chart sets: remove it" $key $label) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- $volumes := dict "webhook" (list "config" "tls") "spawner" (list "templates" "ca") "runtime" (list "home" "tmp") -}}
{{- range $component := keys $volumes | sortAlpha -}}
{{- range (get (get $.Values $component) "volumes") -}}
{{- if has .name (get $volumes $component) -}}
{{- $faults = append $faults (printf "%s.volumes holds %s, which the chart makes: choose another name" $component .name) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- if .Values.guaranteedResources -}}
{{- range $component := list "runtime" "sidecar" "spawner" "webhook" -}}
{{- $limits := (get $.Values $component).resources.limits | default dict -}}
{{- range $resource := list "cpu" "memory" -}}
{{- if not (get $limits $resource) -}}
{{- $faults = append $faults (printf "guaranteedResources needs %s.resources.limits.%s" $component $resource) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- toJson $faults -}}
{{- end -}}
