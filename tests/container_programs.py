"""Programs that tests run with the python inside of a container; each prints what it found."""

# What a user without privileges finds.
LOOK_AROUND = """
import json, os, sys, numpy, pandas, cowsay
print(json.dumps({
    "uid": os.getuid(), "gid": os.getgid(), "home": os.environ["HOME"], "folder": os.getcwd(),
    "team": os.environ["TEAM"], "city": os.environ["CITY"], "prefix": sys.prefix,
    "sum": int(pandas.DataFrame({"a": numpy.arange(5)}).a.sum()),
    "cow": "moo" in cowsay.get_output_string("cow", "moo"),
    "writable": os.access(".", os.W_OK), "prefix_writable": os.access(sys.prefix, os.W_OK),
    "environment": os.environ["CONDA_DEFAULT_ENV"],
}))
"""

# Every path below the prefix that another user could not read, root does not own, or that has a special mode.
STRANGE_PATHS = """
import os, stat
count = 0
for folder, folders, files in os.walk("/opt", onerror=print):
    for name in [*folders, *files]:
        path = os.path.join(folder, name)
        status = os.lstat(path)
        count += 1
        wanted = os.R_OK | (os.X_OK if stat.S_ISDIR(status.st_mode) else 0)
        link = stat.S_ISLNK(status.st_mode)
        if (status.st_uid, status.st_gid) != (0, 0) or not link and (
            not os.access(path, wanted) or status.st_mode & 0o7002 or os.access(path, os.W_OK)
        ):
            print(path, oct(status.st_mode), status.st_uid)
print(count)
"""

# What the importer does for `import`, for every module there is, without running any: under -v it says which
# bytecode it takes, which is stale, and when it had to compile.
READ_EVERY_MODULE = """
import os, sys
from importlib.machinery import SourceFileLoader
modules = broken = 0
for folder, _, files in os.walk(os.path.join(sys.prefix, "lib", "python%d.%d" % sys.version_info[:2])):
    for name in sorted(files):
        if name.endswith(".py"):
            modules += 1
            try:
                SourceFileLoader(name[:-3], os.path.join(folder, name)).get_code(name[:-3])
            except (SyntaxError, ValueError):
                broken += 1
print(modules, broken)
"""

# PEP 552: a pyc of flags 0 names its source's time and size, of flags 1 or 3 its source's hash.
COMPARE_EVERY_PYC = """
import importlib.util, os, sys
counts = {0: 0, 1: 0, 3: 0}
for folder, _, files in os.walk(sys.prefix):
    if os.path.basename(folder) != "__pycache__":
        continue
    for name in files:
        pyc = os.path.join(folder, name)
        source = importlib.util.source_from_cache(pyc)
        with open(pyc, "rb") as stream:
            header = stream.read(16)
        with open(source, "rb") as stream:
            text = stream.read()
        flags = int.from_bytes(header[4:8], "little")
        counts[flags] += 1
        status = os.stat(source)
        if flags:
            equal = header[8:16] == importlib.util.source_hash(text)
        else:
            equal = header[8:] == int(status.st_mtime).to_bytes(4, "little") + status.st_size.to_bytes(4, "little")
        if not equal or header[:4] != importlib.util.MAGIC_NUMBER:
            print(pyc, header, status)
print(counts[0], counts[1] + counts[3])
"""
