import { createRequire } from "node:module";

/** Releases whose require takes ES modules and complains of it each time. */
const COMPLAINS = /^v(22\.12|23\.[0-4])\./;

/**
 * What loads modules of ours, each with all that it imports, by specifiers relative to the module whose URL is `base`. Where the host's require takes
 * ES modules (Node.js 20.19, 22.13) it reads the files itself, one after the other. Its import has each of them opened, measured, read and closed by
 * other threads, which takes a fifth longer.
 */
export function loaderAt(base: string): <Module>(specifier: string) => Promise<Module> {
  const { require_module: required } = process.features as { require_module?: boolean };
  if (!required || COMPLAINS.test(process.version)) return (specifier) => import(new URL(specifier, base).href);
  const require = createRequire(base);
  return async <Module>(specifier: string) => require(specifier) as Module;
}
