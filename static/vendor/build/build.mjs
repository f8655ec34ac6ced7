// Builds static/vendor/<name>-<version>/ from the locked packages: `npm ci && npm run build`.
// `npm run check` builds into memory and fails when a committed file differs or is missing.
import { build } from "esbuild";
import { createHash } from "node:crypto";
import { readFileSync, writeFileSync, mkdirSync, existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const here = dirname(fileURLToPath(import.meta.url));
const vendor = dirname(here);
const read = (...parts) => readFileSync(join(here, "node_modules", ...parts));
const version = (name) => JSON.parse(read(name, "package.json")).version;

async function charts() {
  const folder = `echarts-${version("echarts")}`;
  const result = await build({
    absWorkingDir: here,
    entryPoints: ["echarts_entry.js"],
    bundle: true,
    minify: true,
    format: "iife",
    target: "es2020",
    charset: "utf8",
    legalComments: "none",
    define: { "process.env.NODE_ENV": '"production"' },
    banner: { js: `/*! Apache ECharts ${version("echarts")} (Apache-2.0), zrender ${version("zrender")} (BSD-3-Clause), tslib (0BSD); see LICENSE and NOTICE beside this file */` },
    write: false,
  });
  return [
    [`${folder}/echarts.min.js`, Buffer.from(result.outputFiles[0].contents)],
    [`${folder}/LICENSE`, read("echarts", "LICENSE")],
    [`${folder}/NOTICE`, read("echarts", "NOTICE")],
    [`${folder}/LICENSE-zrender`, read("zrender", "LICENSE")],
    [`${folder}/LICENSE-tslib`, read("tslib", "LICENSE.txt")],
  ];
}

function font() {
  const name = "@fontsource-variable/inter";
  const folder = `inter-${version(name)}`;
  const file = (subset) => [`${folder}/${subset}.woff2`, read(name, "files", `inter-${subset}-wght-normal.woff2`)];
  return [file("latin"), file("latin-ext"), [`${folder}/LICENSE`, read(name, "LICENSE")]];
}

const files = [...(await charts()), ...font()].sort(([a], [b]) => (a < b ? -1 : 1));
const sums = files.map(([path, bytes]) => `${createHash("sha256").update(bytes).digest("hex")}  ${path}\n`);
files.push(["SHA256SUMS", Buffer.from(sums.join(""))]);
const check = process.argv.includes("--check");
let wrong = 0;
for (const [path, bytes] of files) {
  const target = join(vendor, path);
  if (check) {
    const same = existsSync(target) && readFileSync(target).equals(bytes);
    if (!same) wrong += 1;
    console.log(`${same ? "same" : "DIFFERS"} ${path}`);
  } else {
    mkdirSync(dirname(target), { recursive: true });
    writeFileSync(target, bytes);
    console.log(`${path} ${bytes.length}`);
  }
}
process.exit(wrong ? 1 : 0);
