#!/bin/sh
# @azure/arm-policy, Azure's JavaScript client of policy: since 6.0.0 it has no policy exemptions. 5.1.0, the last that
# has them, asks by api-version 2020-07-01-preview, whose answers have neither resourceSelectors nor
# assignmentScopeValidation nor exemptionManagementMode: an exemption of few resources looks like one of all. A program
# that takes the new version fails with a TypeError. What is left is the generic client, @azure/arm-resources, by id.
#
# Looks at the packages; sends nothing. Observed output:
#
#   5.1.0: policyExemptions, by 2020-07-01-preview
#   6.0.0: no policyExemptions
#   7.0.1: no policyExemptions
#
# Needs Node.js 20 or newer with npm. Exit code 0: as observed; 1: it has changed.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm init --yes >/dev/null
npm install --silent --no-audit --no-fund \
    v5@npm:@azure/arm-policy@5.1.0 v6@npm:@azure/arm-policy@6.0.0 v7@npm:@azure/arm-policy@7.0.1
cat >look.mjs <<'JS'
import { createRequire } from "node:module";

const require = createRequire(import.meta.url);
const credential = { getToken: async () => ({ token: "x", expiresOnTimestamp: Date.now() + 3600e3 }) };
const found = [];
for (const [name, version] of [["v5", "5.1.0"], ["v6", "6.0.0"], ["v7", "7.0.1"]]) {
  let asked = "";
  const httpClient = {
    sendRequest: async (request) => {
      asked = new URL(request.url).searchParams.get("api-version");
      throw new Error("nothing is sent");
    },
  };
  const options = { httpClient, retryOptions: { maxRetries: 0 } };
  const client = new (require(name).PolicyClient)(credential, "11111111-2222-3333-4444-555555555555", options);
  await client.policyExemptions?.get("/subscriptions/x", "lab").catch(() => {});
  found.push(client.policyExemptions ? `policyExemptions, by ${asked}` : "no policyExemptions");
  console.log(`${version}: ${found.at(-1)}`);
}
const wanted = ["policyExemptions, by 2020-07-01-preview", "no policyExemptions", "no policyExemptions"];
process.exit(found.join() === wanted.join() ? 0 : 1);
JS
node look.mjs
