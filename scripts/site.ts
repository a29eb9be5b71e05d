// Writes the documentation as a site, build/site: README, the documents and the reference of the API. typedoc.json says what it contains;
// what typedoc cannot be told there is here.

import { readFileSync } from "node:fs";
import { extname, join, posix, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import {
  Application,
  Comment,
  CommentTag,
  type Context,
  Converter,
  DeclarationReflection,
  DefaultTheme,
  DefaultThemeRenderContext,
  JSX,
  type NavigationElement,
  type NormalizedPath,
  type Options,
  PageEvent,
  type ProjectReflection,
  type Reflection,
  ReflectionKind,
  type Renderer,
  RendererEvent,
  type Router,
  type SomeType,
  TSConfigReader,
  TypeDocReader,
  type TypeParameterReflection,
  ValidatingFileRegistry,
} from "typedoc";

const root = fileURLToPath(new URL("..", import.meta.url));
const readme = readFileSync(join(root, "README.md"), "utf8");
const PACKAGE = "softmax-wasm";

/** The categories of functions and classes, by their source, in the order in which they are listed. All else is in the category Types. */
const CATEGORIES: readonly (readonly [source: RegExp, category: string])[] = [
  [/\/functions\/softmax/, "Softmax"],
  [/\/functions\/softcap/, "Softmax"],
  [/\/functions\/(cross-entropy-part|loss-total)/, "Parts"],
  [/\/functions\//, "Loss"],
  [/\/layers\//, "Layers"],
  [/\/decode\//, "Decoding"],
  [/\/linear\//, "Linear"],
];

function rankOf(reflection: Reflection): number {
  const source = reflection.project.getSymbolIdFromReflection(reflection)?.packagePath ?? "";
  return CATEGORIES.findIndex(([pattern]) => pattern.test(source));
}

/** Gives functions and classes their categories, and documents addresses without folders. */
function categorize({ project }: Context): void {
  for (const reflection of project.getReflectionsByKind(ReflectionKind.Function | ReflectionKind.Class) as DeclarationReflection[]) {
    const [, text] = CATEGORIES[rankOf(reflection)];
    for (const { comment } of [reflection, ...(reflection.signatures ?? [])]) {
      comment?.blockTags.push(new CommentTag("@category", [{ kind: "text", text }]));
    }
  }
  for (const document of project.documents ?? []) document.name = posix.basename(document.name);
}

/** Gives entries the names by which they are imported, and documents their headings, each with a summary. Addresses stay as they are. */
function nameAsShown(project: ProjectReflection): void {
  for (const entry of project.getReflectionsByKind(ReflectionKind.Module) as DeclarationReflection[]) {
    entry.name = entry.name === "index" ? PACKAGE : `${PACKAGE}/${entry.name}`;
    const [, text] = new RegExp(`^\\| \`${entry.name}\` *\\| (.*?) *\\|$`, "m").exec(readme) ?? [];
    if (!text) throw new Error(`README has no line for ${entry.name}`);
    entry.comment = new Comment([{ kind: "text", text: `For ${text}.` }]);
    for (const { children } of entry.categories ?? []) children.sort((a, b) => rankOf(a) - rankOf(b));
  }
  for (const document of project.documents ?? []) {
    const [{ text }] = document.content;
    document.name = /^# (.*)$/m.exec(text)?.[1] ?? document.name;
    const [, question] = /^This page answers: ([^?]*\?)/m.exec(text) ?? [];
    document.frontmatter.summary = question && question[0].toUpperCase() + question.slice(1);
  }
}

/** The site has pictures and its own documents, but no other files that documents link to. */
class SiteFiles extends ValidatingFileRegistry {
  readonly #documents: readonly string[];

  constructor(documents: readonly string[]) {
    super();
    this.#documents = documents;
  }

  override register(sourcePath: NormalizedPath, relativePath: NormalizedPath) {
    const path = join(sourcePath, "..", relativePath.split("#")[0]);
    return [".png", ".svg"].includes(extname(path)) || this.#documents.includes(path)
      ? super.register(sourcePath, relativePath)
      : undefined;
  }
}

/** An option, and the type parameters of the interface that has it. */
interface Option {
  readonly option: DeclarationReflection;
  readonly parameters: readonly TypeParameterReflection[];
}

/** The options that a type consists of. */
function optionsOf(type: SomeType | undefined): readonly Option[] {
  if (type?.type === "intersection") return type.types.flatMap(optionsOf);
  if (type?.type !== "reference") return [];
  if (type.name === "Omit") {
    const [whole, names] = type.typeArguments ?? [];
    return optionsOf(whole).filter(({ option }) => !names.toString().includes(`"${option.name}"`));
  }
  const { reflection } = type;
  if (!(reflection instanceof DeclarationReflection && reflection.name.endsWith("Options"))) return [];
  return (reflection.children ?? []).map((option) => ({ option, parameters: reflection.typeParameters ?? [] }));
}

/** Pieces of pages: anchors, headings, blocks of code, and code in a line, which may be the name of a function or class. */
const PIECES = /<(a|h[1-6]|pre)\b[\s\S]*?<\/\1>|<code>(?:new )?(\w+)(\(.*?)?<\/code>/g;
/** Links to files that the site does not have. */
const LINKS_ELSEWHERE = /<a href="(?![a-z]+:|#|[^"]*\.html)[^"]*"[^>]*>(.*?)<\/a>/gs;

/** The type argument that each typed array has by default. */
const BUFFER_TYPE = ['symbol">&lt;', 'type">ArrayBufferLike', 'symbol">&gt;']
  .map((part) => `<span class="tsd-signature-${part}</span>`)
  .join("");

/** A page as readers who cannot see it need it: with landmarks, headings without gaps, and no control in another one. */
function accessible(html: string): string {
  const levels: number[] = [];
  return html
    .replace('<div class="col-content">', '<div class="col-content" role="main">')
    .replace('<div class="page-menu">', '<div class="page-menu" role="region" aria-label="On this page">')
    .replaceAll("<th></th>", "<td></td>")
    .replaceAll("<table>", '<table tabindex="0">')
    .replace(/<a [^>]*class="tsd-anchor-icon">((?!<\/a>).)*<\/a>(?=<\/h2><\/summary>)/g, "")
    .replace(/<h([1-6])\b([\s\S]*?)<\/h\1>/g, (_, digit, rest) => {
      while (levels.length > 0 && levels[levels.length - 1] >= Number(digit)) levels.pop();
      const level = levels.push(Number(digit));
      return `<h${level}${rest}</h${level}>`;
    });
}

class SiteContext extends DefaultThemeRenderContext {
  readonly #theme: SiteTheme;

  constructor(theme: SiteTheme, router: Router, page: PageEvent<Reflection>, options: Options) {
    super(router, theme, page, options);
    this.#theme = theme;
    const { markdown, typeDetailsIfUseful, typeParameters } = this;
    this.markdown = (text) => this.#linked(markdown(text));
    this.typeDetailsIfUseful = (owner, type) => {
      const options = optionsOf(type);
      return options.length > 0 ? this.#optionsTable(options) : typeDetailsIfUseful(owner, type);
    };
    // Type parameters are there for the types of results.
    this.typeParameters = (parameters) =>
      JSX.createElement("details", { class: "type-parameters" }, JSX.createElement("summary", null, "Types"), typeParameters(parameters));
    // Beside the page is a list of what it has, and in it also what it inherits.
    this.hierarchy = () => undefined;
    this.memberSources = () => JSX.createElement(JSX.Fragment, null);
    this.index = () => JSX.createElement(JSX.Fragment, null);
  }

  /** Documents and entries, for readers whose browser does not make the list beside the page. */
  contents(): JSX.Element {
    const { documents = [], children = [] } = this.page.project;
    const links = [...documents, ...children].map((page) => `<li><a href="${this.urlTo(page)}">${page.name}</a></li>`);
    return JSX.createElement(JSX.Raw, { html: `<noscript><nav aria-label="Site"><ul>${links.join("")}</ul></nav></noscript>` });
  }

  /** A text with links from the names of functions and classes to their pages, without links to files that the site does not have. */
  #linked(html: string): string {
    return html.replace(LINKS_ELSEWHERE, "$1").replace(PIECES, (piece, _tag, name?: string, call?: string) => {
      const target = name && this.#theme.targetOf(name, call !== undefined);
      return target && target !== this.page.model ? `<a href="${this.urlTo(target)}">${piece}</a>` : piece;
    });
  }

  #optionsTable(options: readonly Option[]): JSX.Element {
    const rows = [...options]
      .sort((a, b) => (a.option.name < b.option.name ? -1 : 1))
      .map(({ option, parameters }) => {
        const { name, type } = option;
        const parameter = type?.type === "reference" ? parameters.find((parameter) => parameter.name === type.name) : undefined;
        const shown = JSX.renderElement(this.type(parameter ? (parameter.default ?? parameter.type) : type));
        const meaning = JSX.renderElement(this.commentSummary(option));
        return `<tr><td><code>${name}</code> <div class="type">${shown}</div></td><td>${meaning}</td></tr>`;
      });
    const head = "<thead><tr><th>Option</th><th>Meaning</th></tr></thead>";
    const html = `<div class="tsd-typography"><table class="options">${head}<tbody>${rows.join("")}</tbody></table></div>`;
    return JSX.createElement(JSX.Raw, { html });
  }
}

class SiteTheme extends DefaultTheme {
  #targets: ReadonlyMap<string, Reflection> = new Map();
  #ambiguous: ReadonlySet<string> = new Set();

  constructor(renderer: Renderer) {
    super(renderer);
    renderer.hooks.on("content.end", (context) => (context as SiteContext).contents());
    renderer.on(PageEvent.END, (page) => {
      page.contents = accessible(page.contents?.replaceAll(BUFFER_TYPE, "") ?? "");
    });
    renderer.on(RendererEvent.BEGIN, ({ project }) => {
      nameAsShown(project);
      const named = (kind: ReflectionKind) =>
        project.getReflectionsByKind(kind).map((reflection) => [reflection.name, reflection] as const);
      this.#targets = new Map(named(ReflectionKind.Function | ReflectionKind.Class));
      this.#ambiguous = new Set(named(ReflectionKind.Property).map(([name]) => name));
    });
  }

  /** The function or class that a name in code stands for; a name that an option or output has too must be called. */
  targetOf(name: string, isCalled: boolean): Reflection | undefined {
    return isCalled || !this.#ambiguous.has(name) ? this.#targets.get(name) : undefined;
  }

  /** The list beside pages. An entry's own page is the first below it, as what opens a list should not be a link, too. */
  override buildNavigation(project: ProjectReflection): NavigationElement[] {
    return super.buildNavigation(project).map(({ path, ...element }) => {
      const { children } = element;
      return children ? { ...element, children: [{ text: "Overview", path }, ...children] } : { path, ...element };
    });
  }

  override getRenderContext(page: PageEvent<Reflection>): SiteContext {
    return new SiteContext(this, this.router, page, this.application.options);
  }
}

/** Writes the site. */
export async function writeSite(): Promise<void> {
  const app = await Application.bootstrap({ theme: "site", logLevel: "Warn", skipErrorChecking: true }, [
    new TypeDocReader(),
    new TSConfigReader(),
  ]);
  app.files = new SiteFiles(app.options.getValue("projectDocuments").map((path) => resolve(root, path)));
  app.converter.on(Converter.EVENT_RESOLVE_BEGIN, categorize);
  app.renderer.defineTheme("site", SiteTheme);
  const project = await app.convert();
  if (!project) throw new Error("the sources do not compile");
  app.validate(project);
  await app.generateOutputs(project);
  if (app.logger.hasErrors() || app.logger.hasWarnings()) throw new Error("the documentation has errors");
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  await writeSite();
  console.log("build/site/index.html");
}
