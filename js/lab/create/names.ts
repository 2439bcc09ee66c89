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

/** Packages that are called as their modules are, and are known wherever there are packages of conda. */
const SAME = `altair bokeh boto3 cartopy catboost click cupy dask datasets distributed django duckdb fastapi fiona flask
  folium fsspec gensim geopandas h5py holoviews httpx hvplot imageio intake ipykernel ipywidgets jax jinja2 joblib
  jupyter keras librosa lightgbm lxml matplotlib mlflow mypy nbformat networkx nibabel nltk numba numexpr numpy obspy
  openpyxl pandas panel param patsy plotly polars psutil psycopg2 pyarrow pydantic pymc pyproj pytest rasterio rdkit
  redis requests rich rioxarray scipy seaborn selenium shap shapely simpy spacy sqlalchemy statsmodels streamlit sympy
  tensorflow tiktoken tornado tqdm transformers typer xarray xgboost xlrd xlsxwriter zarr`;

const KNOWN = new Map(
  OTHERS.split("|").map((pair): [string, string] => {
    const [module = "", name = ""] = pair.trim().split(/\s+/);
    return [module, name];
  }),
);

for (const name of SAME.split(/\s+/)) KNOWN.set(name, name);

/** The package of a module that is well known; undefined for others. */
export const wellKnown = (module: string): string | undefined => KNOWN.get(module);

/** How the package of any other module may be called, the likeliest first. */
export function candidates(module: string): string[] {
  const small = module.toLowerCase();
  return [...new Set([small, small.replaceAll("_", "-"), `python-${small}`])];
}

/** The package of a library of R. */
export const packageOfLibrary = (library: string): string => `r-${library.toLowerCase()}`;
