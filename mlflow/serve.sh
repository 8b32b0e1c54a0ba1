#!/bin/sh
# Start a tracking server on the loopback interface: serve.sh [PORT] [FOLDER]
set -eu

port="${1:-5000}"
folder="${2:-mlflow-server}"

umask 077
mkdir -p "$folder"
folder="$(cd "$folder" && pwd)"

# Without its job executor the server needs 2 processes instead of 10.
export MLFLOW_SERVER_ENABLE_JOB_EXECUTION=false
exec mlflow server \
    --host 127.0.0.1 --port "$port" --workers 1 \
    --backend-store-uri "sqlite:///$folder/mlflow.db" \
    --artifacts-destination "$folder/artifacts"
