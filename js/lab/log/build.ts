// A build while it goes on, and how it ended; no widgets here.
import { Signal, type ISignal } from "@lumino/signaling";
import { Following } from "../../shared/following";
import { type CondaStoreApi, CondaStoreError } from "../api";
import { isRunning } from "../model";
import type { Build, Status } from "../shapes";

/** What a part of the build has done; without `total` nobody knows how much there is. */
export interface Stage {
  name: string;
  done?: number;
  total?: number;
  note?: string;
}

interface Progress extends Omit<Stage, "name"> {
  stage: string;
  seconds?: number;
}

const AGAIN_SECONDS = 5;

export class BuildModel {
  /** Null until the server has told. */
  build: Build | null = null;
  status: Status | null = null;
  /** Why it failed, for people. */
  reason = "";
  isDisposed = false;
  private readonly stages = new Map<string, Stage>();
  private following: Following | null = null;
  private isTold = false;
  private unread = "";
  private unfollowed = "";
  private timer = 0;
  private readonly onChange = new Signal<this, void>(this);
  private readonly onLine = new Signal<this, string>(this);

  constructor(
    readonly api: CondaStoreApi,
    readonly id: number,
  ) {
    void this.load();
  }

  get changed(): ISignal<this, void> {
    return this.onChange;
  }

  /** A line of the log; each comes once. */
  get line(): ISignal<this, string> {
    return this.onLine;
  }

  get isRunning(): boolean {
    return this.status !== null && isRunning(this.status);
  }

  /** Why it cannot be read, or is not being followed; "" when all is well. */
  get trouble(): string {
    return this.unfollowed || this.unread;
  }

  /** Parts that are being done. */
  get running(): readonly Stage[] {
    return [...this.stages.values()];
  }

  get logAddress(): string {
    return this.api.address(`api/v1/build/${this.id}/logs/`);
  }

  /** Follow it while somebody looks. */
  follow(): void {
    if (this.isDisposed || this.isTold) return;
    if (this.following) this.following.resume();
    else this.following = this.open();
  }

  /** Nobody looks: a browser has six connections to a server, and tabs may be many. */
  pause(): void {
    this.following?.pause();
  }

  cancel(): Promise<unknown> {
    return this.api.send("PUT", `api/v1/build/${this.id}/cancel/`);
  }

  /** Ask what became of it. */
  async load(): Promise<void> {
    window.clearTimeout(this.timer);
    try {
      this.build = await this.api.data<Build>(`api/v1/build/${this.id}/`);
      this.unread = "";
      const { status, status_info } = this.build;
      // An event may have been faster: what has ended does not go on again.
      if (this.status === null || this.isRunning) this.become(status, status_info);
    } catch (error) {
      if (this.isDisposed) return;
      this.unread = error instanceof Error ? error.message : String(error);
      if (error instanceof CondaStoreError && error.isAway)
        this.timer = window.setTimeout(() => void this.load(), AGAIN_SECONDS * 1000);
    }
    this.onChange.emit();
  }

  dispose(): void {
    this.isDisposed = true;
    window.clearTimeout(this.timer);
    this.pause();
    Signal.clearData(this);
  }

  private open(): Following {
    const following = new Following(this.api.streamAddress(`api/v1/build/${this.id}/events/`), {
      told: () => {
        this.isTold = true;
        void this.load();
      },
      refused: () => this.tell("This build can be followed no longer: open it again."),
      waiting: (isWaiting) =>
        this.tell(
          isWaiting ? "The server does not answer: this tab goes on by itself when it does." : "",
        ),
    });
    following.on<{ text: string }>("log", ({ text }) => this.onLine.emit(text));
    following.on<Progress>("progress", (data) => this.progress(data));
    following.on<{ status: Status; status_info: string | null }>("status", (data) => {
      this.become(data.status, data.status_info);
      this.onChange.emit();
    });
    return following;
  }

  private become(status: Status, reason: string | null): void {
    this.status = status;
    this.reason = reason ?? "";
    if (!this.isRunning) this.stages.clear();
  }

  private tell(words: string): void {
    this.unfollowed = words;
    this.onChange.emit();
  }

  private progress({ stage, seconds, ...more }: Progress): void {
    if (seconds === undefined)
      this.stages.set(stage, { ...this.stages.get(stage), ...more, name: stage });
    else this.stages.delete(stage);
    this.onChange.emit();
  }
}
