// Packages whose modules are called otherwise than they are.

const OTHERS = `
  Bio biopython | Crypto pycryptodome | IPython ipython | Levenshtein python-levenshtein |
  MySQLdb mysqlclient | OpenSSL pyopenssl | PIL pillow | attr attrs | bs4 beautifulsoup4 |
  community python-louvain | cv2 opencv | dateutil python-dateutil | docx python-docx |
  dotenv python-dotenv | fitz pymupdf | git gitpython | graphviz python-graphviz |
  hydra hydra-core | igraph python-igraph | jose python-jose | jwt pyjwt |
  kubernetes python-kubernetes | magic python-magic | mpl_toolkits matplotlib | netCDF4 netcdf4 |
  osgeo gdal | pkg_resources setuptools | pptx python-pptx | pylab matplotlib |
  ruamel ruamel.yaml | serial pyserial | shapefile pyshp | skimage scikit-image |
  sklearn scikit-learn | slugify python-slugify | snappy python-snappy | socks pysocks |
  tables pytables | telegram python-telegram-bot | torch pytorch | umap umap-learn | usb pyusb |
  win32api pywin32 | wx wxpython | xxhash python-xxhash | yaml pyyaml | zmq pyzmq`;

const KNOWN = new Map(
  OTHERS.split("|").map((pair): [string, string] => {
    const [module = "", name = ""] = pair.trim().split(/\s+/);
    return [module, name];
  }),
);

/** How the package of a module may be called, the likeliest first. */
export function candidates(module: string): string[] {
  const known = KNOWN.get(module);
  if (known) return [known];
  const small = module.toLowerCase();
  return [...new Set([small, small.replaceAll("_", "-"), `python-${small}`])];
}

/** The package of a library of R. */
export const packageOfLibrary = (library: string): string => `r-${library.toLowerCase()}`;
