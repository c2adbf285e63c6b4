// The peer of bench-webhook: the admission webhook that one would write in Go today, with
// controller-runtime's server, decoder and patch helper as its book shows them. It injects what ours injects
// into a typical pod; it checks less: no repair, no probes moved, no reasons, no warnings.
//
// Usage: go-webhook FOLDER. The folder holds tls.crt and tls.key; the port is printed once it is known.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strconv"
	"syscall"
	"time"

	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/log/zap"
	"sigs.k8s.io/controller-runtime/pkg/webhook"
	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"

	corev1 "k8s.io/api/core/v1"
)

const userLabel = "catalyst.openova.io/openclaw-user"

type injector struct{ decoder admission.Decoder }

func (i *injector) Handle(_ context.Context, request admission.Request) admission.Response {
	pod := &corev1.Pod{}
	if err := i.decoder.Decode(request, pod); err != nil {
		return admission.Errored(http.StatusBadRequest, err)
	}
	user, labeled := pod.Labels[userLabel]
	if !labeled {
		return admission.Allowed("not labeled")
	}
	if err := inject(pod, user); err != nil {
		return admission.Denied(err.Error())
	}
	changed, err := json.Marshal(pod)
	if err != nil {
		return admission.Errored(http.StatusInternalServerError, err)
	}
	return admission.PatchResponseFromRaw(request.Object.Raw, changed)
}

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: go-webhook FOLDER")
		os.Exit(2)
	}
	if err := serve(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

func serve(folder string) error {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	// As kubebuilder's scaffold has it, in production: JSON, from info up.
	log.SetLogger(zap.New())
	scheme := runtime.NewScheme()
	if err := clientgoscheme.AddToScheme(scheme); err != nil {
		return err
	}
	port, err := freePort()
	if err != nil {
		return err
	}
	server := webhook.NewServer(webhook.Options{Host: "127.0.0.1", Port: port, CertDir: folder})
	handler := &injector{decoder: admission.NewDecoder(scheme)}
	server.Register("/mutate", &admission.Webhook{Handler: handler})
	go func() {
		ready := server.StartedChecker()
		for ctx.Err() == nil && ready(nil) != nil {
			time.Sleep(10 * time.Millisecond)
		}
		fmt.Println("admissions 127.0.0.1:" + strconv.Itoa(port))
	}()
	log.Log.Info("starting")
	return server.Start(ctx)
}

// freePort finds a port that nobody uses now: the server does not tell the one it got.
func freePort() (int, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer listener.Close()
	return listener.Addr().(*net.TCPAddr).Port, nil
}
