import type { SensitiveHook, Strategy } from "../hypervisor/strategy.js";

/**
 * The strategy with an eye on RDTSC: `tell` is called before each, with whether a user program executes it, while `listening` holds. The guest's
 * measurements begin and end with that instruction, so this is how its own windows are known outside without a change to
 * the guest; nothing the guest can see depends on it.
 */
export function watchTimestamps(strategy: Strategy, listening: () => boolean, tell: (user: boolean) => void): Strategy {
  const hook = strategy.sensitive["RDTSC"];
  const watch: SensitiveHook = (cpu, instruction) => {
    tell(cpu.cpl === 3);
    return hook?.(cpu, instruction) ?? false;
  };
  return { ...strategy, plainTimeStamps: () => hook === undefined && !listening(), sensitive: { ...strategy.sensitive, RDTSC: watch } };
}
