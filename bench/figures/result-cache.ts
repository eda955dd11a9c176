/**
 * Results of jobs that have been run, so that a run that was interrupted goes on where it was. An entry's name is a hash of all
 * that its result is a function of: the job, the profile, the guest's images, and the program itself. Nothing of it shows in what is printed.
 */
import { createHash } from "node:crypto";
import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const DIST = fileURLToPath(new URL("../../", import.meta.url)), IMAGES = fileURLToPath(new URL("../../../guest/images/", import.meta.url));
/** Of dist/, what no result depends on. */
const APART = new Set(["test", "cli"]);
/** Builds whose results are kept. */
const BUILDS_KEPT = 4;

/** Where results are kept unless the user says where: XDG_CACHE_HOME or ~/.cache. */
export function defaultCacheFolder(): string {
  return join(process.env["XDG_CACHE_HOME"] || join(homedir(), ".cache"), "trivisor", "figures");
}

function filesUnder(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true }).sort((a, b) => a.name < b.name ? -1 : 1)
    .flatMap((entry) => entry.isDirectory() ? filesUnder(join(folder, entry.name)) : /\.(js|elf)$/.test(entry.name) ? [join(folder, entry.name)] : []);
}

/** Hash of the program and the guest. */
function buildHash(): string {
  const hash = createHash("sha256");
  const folders = readdirSync(DIST, { withFileTypes: true }).filter((entry) => entry.isDirectory() && !APART.has(entry.name)).map(({ name }) => name).sort();
  for (const file of [...folders.flatMap((folder) => filesUnder(join(DIST, folder))), ...filesUnder(IMAGES)]) hash.update(readFileSync(file));
  return hash.digest("hex").slice(0, 16);
}

interface Entry<T> {
  readonly key: string;
  readonly answer: T;
  /** Seconds of the host that it took: for the estimate only. */
  readonly seconds: number;
}

export class ResultCache {
  private readonly folder: string;
  private readonly complain: (line: string) => void;

  /** Throws what the file system says when `root` cannot be made. */
  constructor(root: string, complain: (line: string) => void) {
    this.folder = join(root, buildHash());
    this.complain = complain;
    mkdirSync(this.folder, { recursive: true });
    forgetOldBuilds(root);
  }

  private path(key: string): string {
    return join(this.folder, `${createHash("sha256").update(key).digest("hex").slice(0, 32)}.json`);
  }

  /** The result of a job; undefined when it is not here, or is damaged, which is said in one line. */
  get<T>(key: string): { readonly answer: T; readonly seconds: number } | undefined {
    const path = this.path(key);
    let text: string;
    try {
      text = readFileSync(path, "utf8");
    } catch {
      return undefined;
    }
    try {
      const [sum, body] = [text.slice(0, 64), text.slice(65)];
      if (createHash("sha256").update(body).digest("hex") !== sum) throw new Error("its checksum is wrong");
      const entry = JSON.parse(body) as Entry<T>;
      if (entry.key !== key) throw new Error("it is another job's");
      return entry;
    } catch (error) {
      this.complain(`${path} is ignored: ${error instanceof Error ? error.message : String(error)}`);
      return undefined;
    }
  }

  /** Keeps a result, whole or not at all. A disk that is full costs the resumption, not the run. */
  put<T>(key: string, answer: T, seconds: number): void {
    const body = JSON.stringify({ key, answer, seconds } satisfies Entry<T>);
    const path = this.path(key), partial = `${path}.${process.pid}`;
    try {
      writeFileSync(partial, `${createHash("sha256").update(body).digest("hex")}\n${body}`);
      renameSync(partial, path);
    } catch (error) {
      this.complain(`a result is not kept: ${error instanceof Error ? error.message : String(error)}`);
    }
  }
}

function forgetOldBuilds(root: string): void {
  const age = (name: string): number => statSync(join(root, name)).mtimeMs;
  try {
    const builds = readdirSync(root).filter((name) => /^[0-9a-f]{16}$/.test(name)).map((name) => ({ name, age: age(name) })).sort((a, b) => b.age - a.age);
    for (const { name } of builds.slice(BUILDS_KEPT)) rmSync(join(root, name), { recursive: true, force: true });
  } catch {
    // Another run is clearing up at the same time.
  }
}
