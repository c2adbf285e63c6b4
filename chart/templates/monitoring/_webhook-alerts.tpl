{{- define "bp-openclaw.webhookAlerts" -}}
{{- $job := include "bp-openclaw.job" (list . "webhook") -}}
{{- $hours := .Values.monitoring.prometheusRule.certificateExpiryHours -}}
{{ include "bp-openclaw.alert" (list "OpenClawWebhookDown" "5m" "critical"
  (printf "absent(up{%s} == 1)" $job)
  "No webhook pod answers"
  "Labeled pods cannot be created: no workspace starts. Running ones go on.") }}
{{ include "bp-openclaw.alert" (list "OpenClawCertificateExpires" "15m" "critical"
  (printf "min by (job, certificate) (openclaw_webhook_certificate_expiry_timestamp_seconds{%s}) - time() < %d * 3600" $job (int $hours))
  "The webhook's {{ $labels.certificate }} certificate ends within {{ $value | humanizeDuration }}"
  "It was not renewed. From its end on the API server refuses every labeled pod. See the webhook's log and /readyz.") }}
{{ include "bp-openclaw.alert" (list "OpenClawCertificateNotRenewed" "15m" "warning"
  (printf "min by (job) (openclaw_webhook_certificate_good{%s}) == 0" $job)
  "A webhook pod keeps the last good certificate"
  "The new one cannot be used or published. /readyz of the pod says why.") }}
{{ include "bp-openclaw.alert" (list "OpenClawConfigInvalid" "5m" "warning"
  (printf "min by (job) (openclaw_webhook_config_good{%s}) == 0" $job)
  "webhook.yaml is wrong; the last good one stays in use"
  "A webhook pod that starts now would not come up. /readyz of the pod names the key and the value.") }}
{{ include "bp-openclaw.alert" (list "OpenClawAdmissionErrors" "10m" "warning"
  (printf "sum by (job) (rate(openclaw_webhook_admissions_total{%s,outcome=\"error\"}[5m])) + sum by (job) (rate(openclaw_webhook_refused_requests_total{%s}[5m])) > 0" $job $job)
  "The webhook is sent requests that are no admissions"
  "Somebody else than the API server calls it, or more pods are created at once than it takes (status 429).") }}
{{ include "bp-openclaw.alert" (list "OpenClawPodsDenied" "" "warning"
  (printf "sum by (job, reason) (increase(openclaw_webhook_admissions_total{%s,outcome=\"denied\"}[15m])) > 5" $job)
  "The webhook denies pods: {{ $labels.reason }}"
  "{{ $value | humanize }} in 15 minutes. `webhook explain -f pod.yaml` says what to change in a pod.") }}
{{ include "bp-openclaw.alert" (list "OpenClawAdmissionSlow" "10m" "warning"
  (printf "histogram_quantile(0.99, sum by (job, le) (rate(openclaw_webhook_admission_duration_seconds_bucket{%s}[5m]))) > 0.1" $job)
  "Admissions take long: 99 % within {{ $value | humanizeDuration }}"
  "Usually it is far below a millisecond. The pods may be short of CPU.") }}
{{- end -}}
