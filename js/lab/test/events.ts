// An `EventSource` whose events the test sends.
export class FakeEvents extends EventTarget {
  static readonly CLOSED = 2;
  static all: FakeEvents[] = [];
  readyState = 0;

  constructor(readonly url: string) {
    super();
    FakeEvents.all.push(this);
  }

  /** The one that was opened last. */
  static get last(): FakeEvents {
    return FakeEvents.all.at(-1)!;
  }

  /** Take the place of the browser's, for a file of tests. */
  static install(): void {
    Object.assign(globalThis, { EventSource: FakeEvents });
  }

  close(): void {
    this.readyState = FakeEvents.CLOSED;
  }

  open(): void {
    this.readyState = 1;
    this.dispatchEvent(new Event("open"));
  }

  send(number: number, kind: string, data: object): void {
    const init = { data: JSON.stringify(data), lastEventId: String(number) };
    this.dispatchEvent(new MessageEvent(kind, init));
  }

  /** The connection is gone; a browser that has given up does not come back by itself. */
  fail(hasGivenUp: boolean): void {
    this.readyState = hasGivenUp ? FakeEvents.CLOSED : 0;
    this.dispatchEvent(new Event("error"));
  }
}
