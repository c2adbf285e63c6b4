{{/* Metadata of a policy. Takes (list root what). */}}
{{- define "bp-openclaw.policyMetadata" -}}
name: {{ include "bp-openclaw.clusterName" . }}
labels:
  {{- include "bp-openclaw.labels" (list (index . 0) "policy") | nindent 2 }}
{{- end -}}

{{/* The binding of a policy about labeled pods: where the webhook injects, there the policy holds.
Takes (list root what). */}}
{{- define "bp-openclaw.policyBinding" -}}
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata:
  {{- include "bp-openclaw.policyMetadata" . | nindent 2 }}
spec:
  policyName: {{ include "bp-openclaw.clusterName" . }}
  validationActions: [Deny]
  matchResources:
    {{- include "bp-openclaw.scope" (index . 0) | nindent 4 }}
{{- end -}}

{{/* Whether the requester has a verb on the user of the request; the uuid is variables.user. The
authorizer is the API server's own, so that RBAC alone decides and a cluster admin passes. Takes a verb. */}}
{{- define "bp-openclaw.mayOnUser" -}}
authorizer.group('catalyst.openova.io').resource('openclaw-users').namespace(request.namespace).name(variables.user).check('{{ . }}').allowed()
{{- end -}}

{{/* CEL for the end of a denial: what is missing and how to grant it.
Takes (list root verb clusterRole). */}}
{{- define "bp-openclaw.howToGrant" -}}
" needs the verb '{{ index . 1 }}' on openclaw-users.catalyst.openova.io named " + variables.user +
" in namespace " + request.namespace + ", which " + request.userInfo.username + " lacks. Grant it for this user by a Role" +
" (apiGroups: [catalyst.openova.io], resources: [openclaw-users], resourceNames: [" + variables.user + "], verbs: [{{ index . 1 }}])," +
" or for every user there: kubectl create rolebinding NAME -n " + request.namespace +
" --clusterrole={{ include "bp-openclaw.clusterName" (list (index . 0) (index . 2)) }} --user=" + request.userInfo.username
{{- end -}}
