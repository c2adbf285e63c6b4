package main

import (
	"errors"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/util/intstr"
)

const (
	image        = "registry.example/sidecar:1.0.0"
	runtimeName  = "runtime"
	seed         = "openclaw-seed"
	injectedMark = "openclaw.catalyst.openova.io/injected"
)

// inject adds the user's key, token-sync and the auth sidecar.
func inject(pod *corev1.Pod, user string) error {
	index := slices.IndexFunc(pod.Spec.Containers, func(c corev1.Container) bool { return c.Name == runtimeName })
	if index < 0 {
		return errors.New("no container " + runtimeName)
	}
	target := &pod.Spec.Containers[index]
	if len(target.VolumeMounts) == 0 || pod.Spec.SecurityContext == nil {
		return errors.New("no home, or no security context")
	}
	newapi, gateway := "newapi-key-"+user, "openclaw-gateway-"+user
	baseURL := secretEnv("NEWAPI_BASE_URL", newapi, "base-url")
	token := secretEnv("OPENCLAW_GATEWAY_TOKEN", gateway, "OPENCLAW_GATEWAY_TOKEN")
	target.Env = append([]corev1.EnvVar{secretEnv("NEWAPI_KEY", newapi, "api-key"), baseURL, token}, target.Env...)

	home := target.VolumeMounts[0]
	sync := helper(pod, "openclaw-token-sync", []string{
		"token-sync", "--config=" + home.MountPath + "/openclaw.json", "--seed=/etc/openclaw-seed/openclaw.json", "--gateway-auth=token",
	}, baseURL, token)
	sync.VolumeMounts = []corev1.VolumeMount{home, {Name: seed, MountPath: "/etc/openclaw-seed", ReadOnly: true}}

	auth := helper(pod, "openclaw-auth", []string{
		"proxy", "--listen=0.0.0.0:4180", "--admin-listen=0.0.0.0:4181", "--upstream=http://127.0.0.1:18789",
		"--issuer=https://id.example/realms/acme", "--audience=openclaw", "--user=" + user, "--user-claim=sub", "--gateway-auth=token",
	}, token)
	always := corev1.ContainerRestartPolicyAlways
	auth.RestartPolicy = &always
	auth.Ports = []corev1.ContainerPort{
		{Name: "openclaw", ContainerPort: 4180, Protocol: corev1.ProtocolTCP},
		{Name: "openclaw-admin", ContainerPort: 4181, Protocol: corev1.ProtocolTCP},
	}
	auth.StartupProbe, auth.LivenessProbe, auth.ReadinessProbe = probe("/livez", 1, 60), probe("/livez", 20, 6), probe("/readyz", 5, 2)

	pod.Spec.InitContainers = append([]corev1.Container{sync, auth}, pod.Spec.InitContainers...)
	pod.Spec.Volumes = append(pod.Spec.Volumes, corev1.Volume{Name: seed, VolumeSource: corev1.VolumeSource{
		ConfigMap: &corev1.ConfigMapVolumeSource{LocalObjectReference: corev1.LocalObjectReference{Name: seed}},
	}})
	if pod.Annotations == nil {
		pod.Annotations = map[string]string{}
	}
	pod.Annotations[injectedMark] = "go"
	return nil
}

// helper is a container of ours, as restricted as the pod's user allows.
func helper(pod *corev1.Pod, name string, args []string, env ...corev1.EnvVar) corev1.Container {
	no, yes := false, true
	return corev1.Container{
		Name: name, Image: image, ImagePullPolicy: corev1.PullIfNotPresent, Args: args, Env: env,
		Resources: corev1.ResourceRequirements{
			Requests: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("10m"), corev1.ResourceMemory: resource.MustParse("16Mi")},
			Limits:   corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("500m"), corev1.ResourceMemory: resource.MustParse("64Mi")},
		},
		SecurityContext: &corev1.SecurityContext{
			AllowPrivilegeEscalation: &no, Privileged: &no, ReadOnlyRootFilesystem: &yes, RunAsNonRoot: &yes,
			RunAsUser: pod.Spec.SecurityContext.RunAsUser, RunAsGroup: pod.Spec.SecurityContext.RunAsGroup,
			Capabilities:   &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}},
			SeccompProfile: &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault},
		},
	}
}

func secretEnv(name, secret, key string) corev1.EnvVar {
	optional := false
	return corev1.EnvVar{Name: name, ValueFrom: &corev1.EnvVarSource{SecretKeyRef: &corev1.SecretKeySelector{
		LocalObjectReference: corev1.LocalObjectReference{Name: secret}, Key: key, Optional: &optional,
	}}}
}

func probe(path string, period, failures int32) *corev1.Probe {
	return &corev1.Probe{
		ProbeHandler: corev1.ProbeHandler{HTTPGet: &corev1.HTTPGetAction{
			Path: path, Port: intstr.FromInt32(4181), Scheme: corev1.URISchemeHTTP,
		}},
		TimeoutSeconds: 2, PeriodSeconds: period, SuccessThreshold: 1, FailureThreshold: failures,
	}
}
