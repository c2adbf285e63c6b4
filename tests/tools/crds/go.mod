// The kinds of other projects that the chart can render, for the API server that has to accept them.
// Nothing is built: their definitions are files of these modules.
module bp-openclaw/tests/tools/crds

go 1.26.0

require (
	github.com/cert-manager/cert-manager v1.19.1
	sigs.k8s.io/gateway-api v1.4.0
)
