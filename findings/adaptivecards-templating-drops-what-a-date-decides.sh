#!/bin/sh
# adaptivecards-templating 2.3.1 with adaptive-expressions 4.23.3: a card, such as for Teams, with a block that is shown
# `$when` the exemption has ended: `${addDays(expiresOn, 0) < utcNow()}`.
#
# Expected: 2020-01-01T00:00:00Z and 2020-01-01T00:00:00.000Z are the same instant, so the same block is shown.
# Observed: the date functions want exactly three decimals. Without them, as Azure Resource Manager writes `expiresOn`,
# or with seven, as .NET does, the condition fails, and the block is gone, without an error. `formatDateTime` takes all
# of them, so the card still prints the date. In a text, the same failure ends the whole card with an exception.
# An absent end prints the template's own source; null, with a word before it, ends the whole card.
# Why it matters: the warning is the reason for the card. It works with a test date in milliseconds, not with Azure's.
# Exemptions without an end, the ones to look at first, have a broken card or none.
#
# Observed output:
#
#   2020-01-01T00:00:00.000Z: since 2020-01-01 | ENDED
#   2020-01-01T00:00:00Z: since 2020-01-01
#   2020-01-01T00:00:00.1234567Z: since 2020-01-01
#   addDays in a text: 2020-01-01T00:00:00Z is not a ISO format datetime string.
#   absent: Ends ${expiresOn}
#   null: Cannot read properties of null (reading 'toString')
#
# Needs Node.js 20 or newer with npm. Exit code 0: as observed; 1: it has changed.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm init --yes >/dev/null
npm install --silent --no-audit --no-fund adaptivecards-templating@2.3.1 adaptive-expressions@4.23.3
cat >look.cjs <<'JS'
const { Template } = require("adaptivecards-templating");

const found = [];
function card(name, blocks, exemption) {
  try {
    const { body } = new Template({ type: "AdaptiveCard", body: blocks }).expand({ $root: exemption });
    found.push(`${name}: ${body.map((block) => block.text).join(" | ")}`);
  } catch (error) {
    found.push(`${name}: ${error.message}`);
  }
  console.log(found.at(-1));
}
const since = { type: "TextBlock", text: "since ${formatDateTime(expiresOn, 'yyyy-MM-dd')}" };
const ended = { type: "TextBlock", text: "ENDED", $when: "${addDays(expiresOn, 0) < utcNow()}" };
for (const decimals of [".000", "", ".1234567"]) {
  const expiresOn = `2020-01-01T00:00:00${decimals}Z`;
  card(expiresOn, [since, ended], { expiresOn });
}
const text = (text) => [{ type: "TextBlock", text }];
card("addDays in a text", text("${addDays(expiresOn, 14)}"), { expiresOn: "2020-01-01T00:00:00Z" });
card("absent", text("Ends ${expiresOn}"), {});
card("null", text("Ends ${expiresOn}"), { expiresOn: null });
const wanted = [
  "2020-01-01T00:00:00.000Z: since 2020-01-01 | ENDED",
  "2020-01-01T00:00:00Z: since 2020-01-01",
  "2020-01-01T00:00:00.1234567Z: since 2020-01-01",
  "addDays in a text: 2020-01-01T00:00:00Z is not a ISO format datetime string.",
  "absent: Ends ${expiresOn}",
  "null: Cannot read properties of null (reading 'toString')",
];
process.exit(found.join("\n") === wanted.join("\n") ? 0 : 1);
JS
node look.cjs
