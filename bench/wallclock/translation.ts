import { webAssembly } from "../../hypervisor/webassembly.js";
import type { Block } from "../../translator/block.js";
import { encodeModule } from "../../translator/codegen/asm-module.js";
import { type RegionTree, regionTree } from "../../translator/codegen/region.js";
import type { Form } from "../../translator/codegen/region-code.js";
import { compileModule, compileText } from "../../translator/codegen/runtime.js";
import { decoderFor } from "../../translator/isa/decode.js";
import { FEATURES } from "../../translator/isa/opcodes.js";
import type { Vm } from "../../vm/vm.js";
import type { Row } from "./rows.js";

/** Regions translated, of those that a guest has made. */
const REGIONS = 40;

/** The steps of translation, each alone, and all of them, over the regions of a guest that has run for a while; by guest instructions. */
export function translationRows(boot: () => Vm): Row[] {
  return (["plain", "asm"] as const).flatMap((form): Row[] => {
    const whole = `translation, ${form}: all`;
    const step = (name: string, prepare: (regions: readonly (readonly Block[])[], vm: Vm) => (blocks: readonly Block[], k: number) => void): Row => ({
      name: `translation, ${form}: ${name}`, unit: "instructions", shareOf: whole,
      prepare: () => {
        const vm = boot();
        const regions = regionsOf(vm);
        const work = prepare(regions, vm);
        return () => regions.reduce((sum, blocks, k) => {
          work(blocks, k);
          return sum + blocks.reduce((n, block) => n + block.instructions.length, 0);
        }, 0);
      },
    });
    const tree = (blocks: readonly Block[]): ReturnType<typeof regionTree> => regionTree(blocks, blocks[0]!.mode, form);
    return [
      {
        ...step("all", (_regions, vm) => {
          const decode = decoding(vm);
          return (blocks) => {
            decode(blocks);
            compile(tree(blocks));
          };
        }), shareOf: undefined,
      },
      step("decode", (_regions, vm) => decoding(vm)),
      step("semantics and passes", () => tree),
      ...(form === "asm" && webAssembly !== null ? [
        step("WebAssembly encoding", (regions) => {
          const trees = regions.map(tree);
          return (_blocks, k) => encodeModule(trees[k]!.functions!, PAGES);
        }),
        step("WebAssembly.Module", (regions) => {
          const trees = regions.map(tree);
          return (_blocks, k) => compileModule(trees[k]!.functions!, PAGES);
        }),
      ] : [
        step("astring", (regions) => {
          const trees = regions.map(tree);
          return (_blocks, k) => trees[k]!.print();
        }),
        step("new Function", (regions) => {
          const sources = regions.map((blocks) => tree(blocks).print());
          return (_blocks, k) => compileSource(form, sources[k]!);
        }),
      ]),
    ];
  });
}

function regionsOf(vm: Vm): (readonly Block[])[] {
  const regions: (readonly Block[])[] = [];
  for (const block of vm.blocks.all()) if (block.code !== null && regions.length < REGIONS) regions.push(block.code.blocks);
  return regions;
}

function decoding(vm: Vm): (blocks: readonly Block[]) => void {
  const decode = decoderFor(FEATURES);
  return (blocks) => {
    for (const block of blocks) {
      const bytes = new Uint8Array(block.bytes);
      vm.machine.memory.readBytes(block.physical, bytes);
      for (let i = 0, at = 0; i < block.instructions.length; at += block.instructions[i++]!.length) decode(bytes, at, bytes.length, 32);
    }
  };
}

/** A heap of 64 MiB, in pages of WebAssembly's memory. */
const PAGES = 1024;

/** As the engine does it, whatever the form is. */
function compile({ form, print, functions }: RegionTree): void {
  if (functions !== null && webAssembly !== null) compileModule(functions, PAGES);
  else compileSource(form, print());
}

let serial = 0;

/** The host keeps what it has compiled by its text: each time it is another. */
function compileSource(form: Form, source: string): void {
  compileText(form, `${source}\n// ${serial++}\n`, "region");
}
