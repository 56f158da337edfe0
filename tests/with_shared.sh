#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Runs a test that needs ../shared; without it, says so and counts as skipped. Usage: with_shared.sh COMMAND...
[ -d ../shared ] || { echo "SKIP: ../shared (models, data sets, oracles) does not lie beside the checkout"; exit 77; }
exec "$@"
