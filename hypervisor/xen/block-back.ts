import { RAM_BASE } from "../heap.js";
import { type BlockBackend, SECTOR_SIZE } from "../devices/block-backend.js";
import { DiskHead, type DiskTiming } from "../devices/disk-timing.js";
import { REQ_EVENT, REQ_PROD, RING_HEADER_BYTES, RSP_EVENT, RSP_PROD } from "./public/ring.js";
import type { BackendDriver, BackendParts } from "./xenbus.js";

/**
 * Dom0's block back end: takes requests from a ring in a page of the guest's, maps the pages they name by grant, moves sectors, and
 * answers (public/io/ring.h, public/io/blkif.h, x86_32 layout). The disk is the same as behind the IDE controller, its time too.
 */
export const BLKIF_OP_READ = 0, BLKIF_OP_WRITE = 1, BLKIF_OP_WRITE_BARRIER = 2, BLKIF_OP_FLUSH_DISKCACHE = 3;
export const BLKIF_RSP_OKAY = 0, BLKIF_RSP_ERROR = -1, BLKIF_RSP_EOPNOTSUPP = -2;
export const BLKIF_MAX_SEGMENTS_PER_REQUEST = 11;
/** struct blkif_request, and how many of them a page has. */
export const REQUEST_BYTES = 108, RING_ENTRIES = 32;
const NR_SEGMENTS = 1, ID = 4, SECTOR_NUMBER = 12, SEGMENTS = 20, SEGMENT_BYTES = 8;
const DOM0 = 0, SECTORS_PER_PAGE = 4096 / SECTOR_SIZE;

export interface BlockBackParts extends BackendParts {
  readonly disk: BlockBackend;
  readonly timing: DiskTiming;
  /** The disk's interrupt: virtual time has brought Dom0 something. */
  readonly interrupt: () => void;
}

interface Segment { readonly ref: number; readonly first: number; readonly last: number }
interface Request { readonly operation: number; readonly id: readonly [number, number]; readonly sector: number; readonly segments: readonly Segment[]; readonly valid: boolean }
/** A segment whose page is mapped. */
interface Mapped extends Segment { readonly frame: number }

export class BlockBack implements BackendDriver {
  private readonly p: BlockBackParts;
  private readonly head: DiskHead;
  private ringRef = 0;
  private ring = -1;
  private port = 0;
  private reqCons = 0;
  private rspProd = 0;

  constructor(parts: BlockBackParts) {
    this.p = parts;
    this.head = new DiskHead(parts.timing);
  }

  // ---- connection ------------------------------------------------------------------------------------------------------

  connect(frontend: string): boolean {
    const { store, grants, events, frontendDomain } = this.p;
    const protocol = store.peek(`${frontend}/protocol`);
    const ref = Number(store.peek(`${frontend}/ring-ref`)), port = Number(store.peek(`${frontend}/event-channel`));
    if (!Number.isInteger(ref) || !Number.isInteger(port) || (protocol !== undefined && protocol !== "x86_32-abi")) return false;
    const frame = grants.acquire(ref, DOM0, true);
    if (frame < 0) return false;
    const local = events.bindInterdomain(frontendDomain, port);
    if (local < 0) {
      grants.release(ref, true);
      return false;
    }
    this.ringRef = ref;
    this.ring = frame * 4096;
    this.port = local;
    this.reqCons = 0;
    this.rspProd = 0;
    events.handle(local, () => this.serve());
    this.serve();
    return true;
  }

  disconnect(): void {
    if (this.ring < 0) return;
    this.p.events.close(this.port);
    this.p.grants.release(this.ringRef, true);
    this.ring = -1;
  }

  // ---- requests --------------------------------------------------------------------------------------------------------

  /** Takes every request there is. */
  private serve(): void {
    const { memory, count } = this.p;
    if (this.ring < 0) return;
    count("paravirt.domain_switch", 2);
    for (;;) {
      const prod = memory.read(this.ring + REQ_PROD, 4);
      // A producer more than a ring ahead is nonsense: the front end is not served until it makes sense.
      if (((prod - this.rspProd) >>> 0) > RING_ENTRIES) return;
      while (this.reqCons !== prod) {
        const request = this.read(this.reqCons);
        this.reqCons = (this.reqCons + 1) >>> 0;
        count("device.blkback.request");
        this.start(request);
      }
      memory.write32(this.ring + REQ_EVENT, this.reqCons + 1);
      if (memory.read(this.ring + REQ_PROD, 4) === this.reqCons) return;
    }
  }

  private read(index: number): Request {
    const { memory } = this.p;
    const at = this.ring + RING_HEADER_BYTES + (index % RING_ENTRIES) * REQUEST_BYTES;
    const operation = memory.read(at, 1), segmentCount = memory.read(at + NR_SEGMENTS, 1);
    const valid = segmentCount <= BLKIF_MAX_SEGMENTS_PER_REQUEST;
    const segments = Array.from({ length: valid ? segmentCount : 0 }, (_, i): Segment => {
      const seg = at + SEGMENTS + i * SEGMENT_BYTES;
      return { ref: memory.read(seg, 4), first: memory.read(seg + 4, 1), last: memory.read(seg + 5, 1) };
    });
    return {
      operation, segments, valid, id: [memory.read32(at + ID), memory.read32(at + ID + 4)],
      sector: memory.read(at + SECTOR_NUMBER, 4) + memory.read(at + SECTOR_NUMBER + 4, 4) * 2 ** 32,
    };
  }

  private start(request: Request): void {
    const { disk, clock, count } = this.p;
    const { operation, segments } = request;
    const writes = operation === BLKIF_OP_WRITE || operation === BLKIF_OP_WRITE_BARRIER;
    if (!writes && operation !== BLKIF_OP_READ && operation !== BLKIF_OP_FLUSH_DISKCACHE) return this.respond(request, BLKIF_RSP_EOPNOTSUPP);
    const empty = segments.length === 0;
    // Only a barrier or a flush may move nothing.
    if (!request.valid || (empty && operation <= BLKIF_OP_WRITE) || (writes && disk.readOnly)) return this.respond(request, BLKIF_RSP_ERROR);
    if (segments.some((s) => s.last >= SECTORS_PER_PAGE || s.last < s.first)) return this.respond(request, BLKIF_RSP_ERROR);
    const sectors = segments.reduce((n, s) => n + s.last - s.first + 1, 0);
    if (request.sector + sectors > disk.sectors) return this.respond(request, BLKIF_RSP_ERROR);
    const mapped = this.mapAll(segments, operation === BLKIF_OP_READ);
    if (mapped === undefined) return this.respond(request, BLKIF_RSP_ERROR);
    count("device.blkback.sector", sectors);
    const now = clock.now(), moved = empty ? now : writes ? this.head.write(now, request.sector, sectors) : this.head.pass(now, request.sector, sectors);
    const done = operation >= BLKIF_OP_WRITE_BARRIER ? this.head.flushed(moved) : moved;
    clock.schedule(done, () => {
      this.p.interrupt();
      count("paravirt.domain_switch", 2);
      this.finish(request, mapped, writes);
    });
  }

  private mapAll(segments: readonly Segment[], writable: boolean): Mapped[] | undefined {
    const { grants, count } = this.p;
    const mapped: Mapped[] = [];
    for (const segment of segments) {
      const frame = grants.acquire(segment.ref, DOM0, writable);
      if (frame < 0) {
        for (const m of mapped) grants.release(m.ref, writable);
        return undefined;
      }
      count("grant.map");
      mapped.push({ ...segment, frame });
    }
    return mapped;
  }

  private finish(request: Request, mapped: readonly Mapped[], writes: boolean): void {
    const { disk, memory, grants, count } = this.p;
    let lba = request.sector;
    for (const segment of mapped) {
      const n = segment.last - segment.first + 1;
      const pa = segment.frame * 4096 + segment.first * SECTOR_SIZE;
      if (writes) disk.write(lba, n, memory.heap.u8.slice(RAM_BASE + pa, RAM_BASE + pa + n * SECTOR_SIZE));
      else {
        const bytes = new Uint8Array(n * SECTOR_SIZE);
        disk.read(lba, n, bytes);
        memory.writeBytes(pa, bytes);
      }
      lba += n;
      grants.release(segment.ref, !writes);
      count("grant.unmap");
    }
    if (request.operation >= BLKIF_OP_WRITE_BARRIER) disk.flush();
    this.respond(request, BLKIF_RSP_OKAY);
  }

  /** Puts an answer into the ring, and notifies the front end if it has asked to be. */
  private respond(request: Request, status: number): void {
    const { memory, events } = this.p;
    if (this.ring < 0) return;
    const at = this.ring + RING_HEADER_BYTES + (this.rspProd % RING_ENTRIES) * REQUEST_BYTES;
    memory.write32(at, request.id[0]);
    memory.write32(at + 4, request.id[1]);
    memory.write(at + 8, 1, request.operation);
    memory.write(at + 10, 2, status & 0xffff);
    this.rspProd = (this.rspProd + 1) >>> 0;
    memory.write32(this.ring + RSP_PROD, this.rspProd);
    // RING_PUSH_RESPONSES_AND_CHECK_NOTIFY for one answer.
    if (memory.read(this.ring + RSP_EVENT, 4) === this.rspProd) events.send(this.port);
  }
}
