import type { Store } from "./store.js";

const DOM0 = 0;

/** Makes a domain's home in the store: what Dom0 says of it, which it may read, and the directories that are its own. */
export function introduceHome(store: Store, domid: number, properties: Readonly<Record<string, string>>): void {
  const home = `/local/domain/${domid}`;
  store.mkdir(DOM0, "/local/domain/0/backend");
  store.mkdir(DOM0, home);
  store.setPermissions(DOM0, home, [{ domid: DOM0, rights: "n" }, { domid, rights: "r" }]);
  for (const [path, value] of Object.entries({ domid: `${domid}`, ...properties })) store.write(DOM0, `${home}/${path}`, value);
  for (const own of ["control", "data", "device", "error"]) {
    store.mkdir(DOM0, `${home}/${own}`);
    store.setPermissions(DOM0, `${home}/${own}`, [{ domid, rights: "n" }]);
  }
}
