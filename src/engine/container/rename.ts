/** POST /containers/NAME/rename. */
import { EngineError } from "../errors.ts";
import { dnsNamesOf, networksOf } from "../network/settings.ts";
import { type ContainerContext, emit } from "./context.ts";
import { checkName } from "./names.ts";

export async function rename(ctx: ContainerContext, from: string, to: string): Promise<void> {
  const [oldWord, newWord] = [from.trim(), to.trim()];
  if (oldWord.replace(/^\//, "") === "" || newWord.replace(/^\//, "") === "") {
    throw new EngineError("invalid", "Neither old nor new names may be empty");
  }
  const container = ctx.store.find(oldWord);
  await container.exclusive(async () => {
    const name = newWord.startsWith("/") ? newWord : `/${newWord}`;
    if (container.name === name) {
      throw new EngineError("invalid", "Renaming a container with the same name as its current name");
    }
    const oldName = container.name;
    try {
      ctx.store.rename(container, checkName(name));
    } catch (error) {
      if (!(error instanceof EngineError)) throw error;
      throw new EngineError(error.kind, `Error when allocating new name: ${error.message}`, { cause: error });
    }
    const { record } = container;
    const networks = Object.entries(networksOf(container)).map(([key, settings]) => [
      key,
      settings.DNSNames ? { ...settings, DNSNames: dnsNamesOf(container, settings.Aliases) } : settings,
    ]);
    ctx.store.setRecord(container, { ...record, networks: Object.fromEntries(networks) });
    await ctx.networks.renamed(container);
    emit(ctx, container, "rename", { oldName });
  });
}
