#!/bin/sh
# A grid: each model x each prompt, as it is and under each treatment of the gate's suite, held against one baseline.
#
#     examples/grid.sh [DIRECTORY]        default: target/grid; needs no key and no network, a toy plays all models
#
# Call it again after anything, a kill included. A run's directory is named by what it is about, so the next call finds
# it and asks only for what has no answer yet. Your own models: BASE_URL=https://… MODELS="a b" PROMPTS="x y" JOBS=8,
# with the profile and the suites in examples/grid.
set -eu

here=$(cd "$(dirname "$0")" && pwd)/grid
PROVOST=${PROVOST:-provost} JOBS=${JOBS:-4} PORT=${PORT:-8713}
MODELS=${MODELS:-small large} PROMPTS=${PROMPTS:-plain careful hasty}

# Measures or certifies one combination, in the directory of its name. What happens is told on standard error.
certify() { # DIRECTORY MODEL PROMPT ARGUMENT...
    dir=$1 model=$2 prompt=$3
    shift 3
    "$PROVOST" certify --quiet --profile "$here/agent.toml" --out "$dir" --label model="$model" --label prompt="$prompt" \
        --set name="$(basename "$dir")" --set agent.model="local/$model" --set endpoints.here.base_url="$BASE_URL" \
        --set prompt.files="[\"$here/prompts/$prompt.md\"]" "$@"
}

# What xargs calls: one combination. Its exit code is a line on standard output.
if [ "${1-}" = --one ]; then
    name=$(echo "$3-$4" | tr / _) code=0
    certify "$2/$name" "$3" "$4" --suite "$here/gate.toml" --baseline "$2/baseline" || code=$?
    echo "$code $name"
    case $code in
    0 | 1 | 3) ;;
    2) exit 255 ;; # wrongly asked, and so are all others: xargs stops at once
    *) echo "$name has no result: exit code $code" >&2 ;;
    esac
    exit 0
fi

out=${1:-target/grid}
mkdir -p "$out"
if [ -z "${BASE_URL-}" ]; then
    toy=$(python3 "$here/model.py" "$PORT") # the port is part of the question: it must be the same the next time
    trap 'kill "$toy"' EXIT
    trap 'exit 130' INT
    trap 'exit 143' TERM
    BASE_URL=http://127.0.0.1:$PORT/v1
fi
export PROVOST BASE_URL

# The baseline is asked once: the first model with the first prompt.
certify "$out/baseline" "${MODELS%% *}" "${PROMPTS%% *}" --suite "$here/suite.toml"
for model in $MODELS; do
    for prompt in $PROMPTS; do echo "$model $prompt"; done
done | xargs -P "$JOBS" -L 1 sh "$0" --one "$out" >"$out/codes" || exit 2

sort -k 2 "$out/codes" | awk -v out="$out" '
    $1 == 0 { pass++ } $1 == 1 { fail++ } $1 == 3 { undecided++ }
    $1 == 0 || $1 == 1 || $1 == 3 { print out "/" $2 }
    END { printf "%d pass, %d fail, %d inconclusive, %d without a result\n",
              pass, fail, undecided, NR - pass - fail - undecided > "/dev/stderr" }' >"$out/results"
if [ -s "$out/results" ]; then
    xargs "$PROVOST" certify --markdown "$out/grid.md" --csv "$out/grid.csv" --report <"$out/results"
fi
if grep -qv '^[013] ' "$out/codes"; then
    echo "call it again to fill the gaps" >&2
    exit 1
fi
