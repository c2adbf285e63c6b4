{{/* home.yaml, made once for each user, before the first pod; empty where homes do not last. It has no
owner: it outlives pods, templates and the release. */}}
{{- define "bp-openclaw.userHome" -}}
{{- with .Values.runtime.home -}}
{{- if .persistent -}}
apiVersion: v1
kind: PersistentVolumeClaim
metadata:
  name: openclaw-home-${USER_UUID}
  labels:
    {{ include "bp-openclaw.userLabel" $ }}: ${USER_UUID}
    app.kubernetes.io/name: openclaw
    app.kubernetes.io/component: home
    app.kubernetes.io/part-of: bp-openclaw
    catalyst.openova.io/blueprint: bp-openclaw
    {{- with mergeOverwrite (dict) $.Values.commonLabels .claimLabels }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  {{- with .claimAnnotations }}
  annotations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
spec:
  accessModes:
    {{- toYaml .accessModes | nindent 4 }}
  {{- with .storageClassName }}
  storageClassName: {{ . }}
  {{- end }}
  resources:
    requests: {storage: {{ .size }}}
{{- end -}}
{{- end -}}
{{- end -}}
