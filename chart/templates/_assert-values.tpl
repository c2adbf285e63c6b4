{{/* Settings that have no meaning beside others, as a JSON array of faults. */}}
{{- define "bp-openclaw.valueFaults" -}}
{{- $faults := list -}}
{{- with .Values.spawner -}}
{{- if and .service.nodePort (ne .service.type "NodePort") -}}
{{- $faults = append $faults (printf "spawner.service.nodePort is set, but spawner.service.type is %s: set it to NodePort" .service.type) -}}
{{- end -}}
{{- if and .limits.maxRunning (gt (int .limits.maxStarting) (int .limits.maxRunning)) -}}
{{- $faults = append $faults (printf "spawner.limits.maxStarting is %d, and with spawner.limits.maxRunning %d there are never so many" (int .limits.maxStarting) (int .limits.maxRunning)) -}}
{{- end -}}
{{- end -}}
{{- with .Values.webhook -}}
{{- if and .tls.certManager.issuerRef (ne .tls.mode "certManager") -}}
{{- $faults = append $faults (printf "webhook.tls.certManager.issuerRef is set, but webhook.tls.mode is %s: set it to certManager" .tls.mode) -}}
{{- end -}}
{{- if and .excludedNamespaces (eq .scope "tenant") -}}
{{- $faults = append $faults "webhook.excludedNamespaces is set, but webhook.scope is tenant, which looks at no other namespace" -}}
{{- end -}}
{{- end -}}
{{- with .Values.monitoring -}}
{{- if and .prometheusRule.enabled (not .podMonitor.enabled) -}}
{{- $faults = append $faults "monitoring.prometheusRule.enabled needs monitoring.podMonitor.enabled: the alerts name its jobs" -}}
{{- end -}}
{{- if and .podMonitor.users.enabled (not .podMonitor.enabled) -}}
{{- $faults = append $faults "monitoring.podMonitor.users.enabled needs monitoring.podMonitor.enabled" -}}
{{- end -}}
{{- if and .podMonitor.users.enabled $.Values.networkPolicy.enabled (not .podMonitor.users.from) -}}
{{- $faults = append $faults "monitoring.podMonitor.users.enabled needs monitoring.podMonitor.users.from: the NetworkPolicies let nobody but the spawner reach a user's pod" -}}
{{- end -}}
{{- end -}}
{{- toJson $faults -}}
{{- end -}}
