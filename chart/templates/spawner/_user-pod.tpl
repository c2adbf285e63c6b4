{{/* A user's pod before injection. The webhook adds the user's key, token-sync and the auth sidecar,
and sends the probe through the sidecar, because the runtime listens on loopback only. */}}
{{- define "bp-openclaw.userPod" -}}
{{- with .Values.runtime -}}
apiVersion: v1
kind: Pod
metadata:
  name: openclaw-${USER_UUID}
  labels:
    {{ include "bp-openclaw.userLabel" $ }}: ${USER_UUID}
    app.kubernetes.io/name: openclaw
    app.kubernetes.io/component: runtime
    app.kubernetes.io/part-of: bp-openclaw
    catalyst.openova.io/blueprint: bp-openclaw
    {{- with mergeOverwrite (dict) $.Values.commonLabels .podLabels }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  annotations:
    # For people who look at the pod; the webhook writes the reference.
    catalyst.openova.io/newapi-secret: ${SECRET_NAME}
    {{- with .podAnnotations }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
spec:
  restartPolicy: Always
  automountServiceAccountToken: false
  enableServiceLinks: false
  terminationGracePeriodSeconds: {{ .terminationGracePeriodSeconds }}
  securityContext:
    runAsNonRoot: true
    runAsUser: {{ .user }}
    runAsGroup: {{ .user }}
    fsGroup: {{ .user }}
    {{- if .home.persistent }}
    # Not each file of a large home at each start.
    fsGroupChangePolicy: OnRootMismatch
    {{- end }}
    seccompProfile: {type: RuntimeDefault}
  containers:
    - name: runtime
      image: {{ include "bp-openclaw.image" (list $ "runtime") }}
      imagePullPolicy: {{ $.Values.imagePullPolicy }}
      {{- with .command }}
      command:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      {{- with .args }}
      args:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      env:
        - {name: HOME, value: {{ .home.path | quote }}}
        # OpenClaw's cache on the read-only root is otherwise a crash at start.
        - {name: XDG_CACHE_HOME, value: /tmp/.cache}
        # A failed start must not call the model for advice with the user's key.
        - {name: OPENCLAW_SUPERVISOR_MODE, value: external}
        {{- with .env }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
      {{- with .envFrom }}
      envFrom:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      readinessProbe:
        httpGet: {path: {{ .readinessPath }}, port: {{ .port }}}
        periodSeconds: 2
      resources:
        {{- include "bp-openclaw.resources" (list $ .resources) | nindent 8 }}
      securityContext:
        {{- include "bp-openclaw.containerSecurityContext" $ | nindent 8 }}
      volumeMounts:
        - {name: home, mountPath: {{ .home.statePath }}}
        - {name: tmp, mountPath: /tmp}
        {{- with .volumeMounts }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
  volumes:
    - name: home
      {{- if .home.persistent }}
      persistentVolumeClaim: {claimName: "openclaw-home-${USER_UUID}"}
      {{- else }}
      emptyDir: {sizeLimit: {{ .home.sizeLimit }}}
      {{- end }}
    - name: tmp
      emptyDir: {sizeLimit: {{ .tmp.sizeLimit }}}
    {{- with .volumes }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  {{- with .priorityClassName }}
  priorityClassName: {{ . }}
  {{- end }}
  {{- with .topologySpreadConstraints }}
  topologySpreadConstraints:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .nodeSelector }}
  nodeSelector:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .tolerations }}
  tolerations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .affinity }}
  affinity:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .imagePullSecrets }}
  imagePullSecrets:
    {{- toYaml . | nindent 4 }}
  {{- end }}
{{- end -}}
{{- end -}}
