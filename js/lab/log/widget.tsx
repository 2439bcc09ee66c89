import { ReactWidget } from "@jupyterlab/apputils";
import { Panel } from "@lumino/widgets";
import type { BuildModel } from "./build";
import { Head, type Step } from "./head";
import { LogText } from "./text";

/** A build: its state above, its log below. It follows the build only while it is seen. */
export class BuildWidget extends Panel {
  private readonly text: LogText;

  constructor(
    readonly build: BuildModel,
    title: string,
    steps: () => Step[],
  ) {
    super();
    this.addClass("jp-CondaStore-build");
    const head = ReactWidget.create(<Head build={build} title={title} steps={steps} />);
    head.addClass("jp-CondaStore-head");
    this.text = new LogText(build);
    this.addWidget(head);
    this.addWidget(this.text);
  }

  dispose(): void {
    if (this.isDisposed) return;
    this.build.dispose();
    super.dispose();
  }

  protected onAfterAttach(): void {
    if (this.isVisible) this.seen();
  }

  protected onAfterShow(): void {
    this.seen();
  }

  protected onBeforeHide(): void {
    this.build.pause();
  }

  protected onBeforeDetach(): void {
    this.build.pause();
  }

  private seen(): void {
    this.build.follow();
    this.text.toEnd();
  }
}
