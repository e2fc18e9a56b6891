#!/bin/sh
# Generates ./drawdownv1 from the protos; needs protoc, or a Python with grpcio-tools in $PYTHON.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
protos=${1:-$here/../../../proto}
out=$here/drawdownv1
mkdir -p "$out"
GOBIN=$here/.bin go install google.golang.org/protobuf/cmd/protoc-gen-go@v1.36.6
GOBIN=$here/.bin go install google.golang.org/grpc/cmd/protoc-gen-go-grpc@v1.5.1
files=$(cd "$protos" && find drawdown -name '*.proto')
maps=""
for file in $files; do
    maps="$maps --go_opt=M$file=example/drawdownv1 --go-grpc_opt=M$file=example/drawdownv1"
done
if [ -n "${PYTHON:-}" ]; then protoc="$PYTHON -m grpc_tools.protoc"; else protoc=protoc; fi
cd "$protos"
# shellcheck disable=SC2086
$protoc -I. \
    --plugin=protoc-gen-go="$here/.bin/protoc-gen-go" \
    --plugin=protoc-gen-go-grpc="$here/.bin/protoc-gen-go-grpc" \
    --go_out="$out" --go_opt=module=example/drawdownv1 \
    --go-grpc_out="$out" --go-grpc_opt=module=example/drawdownv1 \
    $maps $files
