#!/bin/sh
# Makes static/vendor/editor.mjs and its licences from the packages that package-lock.json names. It needs Node.js and npm.
set -eu
cd "$(dirname "$0")"
vendor=../static/vendor

# y-phoenix-channel asks for @y/protocols, which asks for a release candidate of Yjs. y-protocols has the same modules for
# the Yjs that is used here, so npm must not resolve peers, and esbuild takes y-protocols in its place.
npm ci --legacy-peer-deps
node_modules/.bin/esbuild editor.js --bundle --minify --format=esm --charset=utf8 --legal-comments=none \
    --alias:@y/protocols=y-protocols --metafile=node_modules/meta.json --outfile="$vendor/editor.mjs"

# The licence of each package of which the bundle has code. y-phoenix-channel has no file, only the field in package.json.
node - >"$vendor/editor.mjs.LICENSES.txt" <<'JS'
const fs = require("fs");
const { inputs, outputs } = JSON.parse(fs.readFileSync("node_modules/meta.json", "utf8"));
const used = Object.values(outputs)[0].inputs;
const folders = new Set();
for (const [name, { bytesInOutput }] of Object.entries(used)) {
  const found = /^(.*node_modules\/(@[^/]+\/)?[^/]+)\//.exec(name);
  if (found && bytesInOutput) folders.add(found[1]);
}
for (const folder of [...folders].sort()) {
  const { name, version, license, author } = JSON.parse(fs.readFileSync(`${folder}/package.json`, "utf8"));
  const file = fs.readdirSync(folder).find((one) => /^licen[cs]e/i.test(one));
  const text = file ? fs.readFileSync(`${folder}/${file}`, "utf8").trim() : `Licence: ${license}. Author: ${author?.name ?? author}.`;
  console.log(`${name} ${version}\n${"-".repeat(70)}\n${text}\n\n`);
}
JS
