import { spawnSync } from "node:child_process";
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { suite } from "uvu";
import * as assert from "uvu/assert";

const GUEST = fileURLToPath(new URL("../../../guest", import.meta.url));
const IMAGES = ["guest-bare.elf", "guest-xen.elf"];

const test = suite("the guest's images");

/** Debian's compiler, which the committed images were built with; another one gives other bytes. */
function compiler(): string | undefined {
  const folder = mkdtempSync(join(tmpdir(), "trivisor-gcc-"));
  try {
    writeFileSync(join(folder, "empty.c"), "int main(void) { return 0; }\n");
    const { status } = spawnSync("gcc", ["-m32", "-ffreestanding", "-c", join(folder, "empty.c"), "-o", join(folder, "empty.o")]);
    return status === 0 ? spawnSync("gcc", ["-dumpfullversion"], { encoding: "utf8" }).stdout.trim() : undefined;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

const version = compiler();
const BUILT_WITH = "12.2.0";

(version === BUILT_WITH ? test : test.skip)("are what the sources build, byte for byte, in another folder (skipped without gcc -m32 of that version)", () => {
  const folder = mkdtempSync(join(tmpdir(), "trivisor-guest-"));
  try {
    cpSync(GUEST, join(folder, "guest"), { recursive: true });
    for (const image of IMAGES) rmSync(join(folder, "guest/images", image));
    const built = spawnSync("sh", [join(folder, "guest/build.sh")], { cwd: join(folder, "guest"), encoding: "utf8" });
    assert.is(built.status, 0, built.stderr);
    for (const image of IMAGES) {
      assert.ok(readFileSync(join(folder, "guest/images", image)).equals(readFileSync(join(GUEST, "images", image))), `${image}: run guest/build.sh and commit it`);
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});

test.run();
