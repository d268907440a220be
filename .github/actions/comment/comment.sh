#!/usr/bin/env bash
# Posts $REPORT as one comment of pull request $NUMBER, or updates the comment of an earlier run.
set -euo pipefail

marker='<!-- deepimportance -->'
longest=65000 # GitHub refuses comments of more than 65,536 characters

if [ ! -s "${REPORT:?}" ]; then
  echo "::error::$REPORT does not exist or is empty: run pytest with --idc-report=markdown:$REPORT"
  exit 1
fi
if [ -n "${GITHUB_STEP_SUMMARY:-}" ]; then
  cat "$REPORT" >>"$GITHUB_STEP_SUMMARY"
fi
if [ -z "${NUMBER:-}" ]; then
  echo "no pull request here: the report is in the step summary"
  exit 0
fi

body=$(mktemp)
trap 'rm -f "$body"' EXIT
cp "$REPORT" "$body"
if [ "$(wc -c <"$REPORT")" -gt "$longest" ]; then
  head -c "$longest" "$REPORT" | LC_ALL=C sed '$d' >"$body" # whole lines, so no half of a character
  open=$(($(grep -c '^<details>' "$body" || true) - $(grep -c '^</details>' "$body" || true)))
  if [ "$open" -gt 0 ]; then
    printf '\n</details>\n' >>"$body" # one at most: they do not nest
  fi
  printf '\n(cut: the whole report is an artifact of this run)\n' >>"$body"
fi
if ! grep -qF "$marker" "$body"; then
  echo "::error::$REPORT does not begin with $marker: write it with --idc-report=markdown:$REPORT"
  exit 1
fi

comments="repos/${GITHUB_REPOSITORY:?}/issues/$NUMBER/comments"
known=$(gh api "$comments" --paginate --jq ".[] | select(.body | startswith(\"$marker\")) | .id" | head -n 1) || {
  echo "::warning::comments cannot be read: the report is in the step summary"
  exit 0
}
if [ -n "$known" ]; then
  set -- -X PATCH "repos/$GITHUB_REPOSITORY/issues/comments/$known"
else
  set -- -X POST "$comments"
fi
if ! gh api "$@" -F "body=@$body" --silent; then
  echo "::warning::no comment was written (pull requests from forks may not): see the step summary"
fi
