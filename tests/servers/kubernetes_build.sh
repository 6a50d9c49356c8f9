#!/usr/bin/env bash
# Builds kube-apiserver and kube-controller-manager from Debian's source package `kubernetes` into a folder:
# they are in no binary package. Needs golang-1.19-go, dpkg-dev and about 8 minutes of two cores, 4 GiB of disk.
#
#   tests/servers/kubernetes_build.sh FOLDER
set -euo pipefail
target=$(realpath --canonicalize-missing "$1")
work=$(mktemp -d)
trap 'chmod -R u+w "$work"; rm -rf "$work"' EXIT

# From where this machine has Debian's packages, with lists of this build alone.
mkdir -p "$work/lists/partial" "$work/parts"
sed 's/^deb /deb-src /' /etc/apt/sources.list >"$work/sources.list" 2>/dev/null || touch "$work/sources.list"
if [ -f /etc/apt/sources.list.d/debian.sources ]; then
    sed 's/^Types: .*/Types: deb-src/' /etc/apt/sources.list.d/debian.sources >"$work/parts/debian.sources"
fi
apt=(-o "Dir::Etc::SourceList=$work/sources.list" -o "Dir::Etc::SourceParts=$work/parts" -o "Dir::State::Lists=$work/lists")
cd "$work"
apt-get -qq "${apt[@]}" update
apt-get -qq "${apt[@]}" source --download-only kubernetes
mkdir -p go/src/k8s.io
dpkg-source --no-check --extract kubernetes_*.dsc go/src/k8s.io/kubernetes >/dev/null

export PATH=/usr/lib/go-1.19/bin:$PATH GOPATH=$work/go GOCACHE=$work/cache GOPROXY=off GO111MODULE=off CGO_ENABLED=0
cd go/src/k8s.io/kubernetes
# What the API says of itself is generated, and not in the package.
go build -o "$work/openapi-gen" k8s.io/kubernetes/vendor/k8s.io/kube-openapi/cmd/openapi-gen
described=$(grep -rl '+k8s:openapi-gen=' --include='*.go' vendor/k8s.io/*/ pkg | xargs -n1 dirname |
    grep -v -E 'testdata|_examples|sample-|generated|/test/' | sort -u | sed 's,^,k8s.io/kubernetes/,' | paste -sd,)
touch "$work/violations"
"$work/openapi-gen" --go-header-file hack/boilerplate/boilerplate.generatego.txt --output-base "$GOPATH/src" \
    --output-file-base zz_generated.openapi --output-package k8s.io/kubernetes/pkg/generated/openapi \
    --input-dirs "$described" --report-filename "$work/violations"
mkdir -p "$target"
for program in kube-apiserver kube-controller-manager; do
    go build -ldflags='-s -w' -o "$target/$program" "k8s.io/kubernetes/cmd/$program"
done
