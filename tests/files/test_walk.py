"""Which files are found, what each is, and that nothing outside the root is opened."""

import ctypes
import os
import socket
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from guardrails.files import tree, walk
from guardrails.files.walk import Found, Kind, Repository, Trouble, Unreadable, kind_of, root_of

TEMPLATE = (
    '{"$schema": "https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#", "resources": []}'
)
PARAMETERS = TEMPLATE.replace("deploymentTemplate", "deploymentParameters")


@pytest.fixture
def repo(tmp_path: Path) -> Path:
    root = tmp_path / "repo"
    (root / ".git").mkdir(parents=True)
    return root


def write(root: Path, path: str, content: str | bytes = "") -> Path:
    file = root / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    return file


def found(root: Path, *paths: Path) -> dict[str, Kind]:
    return {one.path: one.kind for one in Repository(root).walk(paths or (root,)) if isinstance(one, Found)}


def troubles(root: Path, *paths: Path) -> dict[str, str]:
    return {one.path: one.message for one in Repository(root).walk(paths or (root,)) if isinstance(one, Trouble)}


def without_privileges() -> None:
    """Let this thread open files as their owner may: take from it the capabilities by which root opens all of them.

    See capset(2): a header of version 3 for the calling thread, then two times its effective, permitted and inheritable
    capabilities; with none at all it may do what any other user may.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    assert libc.capset((ctypes.c_uint32 * 2)(0x20080522, 0), (ctypes.c_uint32 * 6)()) == 0, ctypes.get_errno()


@pytest.mark.parametrize(
    ("ending", "content", "kind"),
    [
        (".bicep", b"", Kind.BICEP),
        (".bicepparam", b"using 'x.bicep'", Kind.BICEP_PARAMETERS),
        (".json", TEMPLATE.encode(), Kind.ARM),
        (".jsonc", b"// a comment\n" + TEMPLATE.encode(), Kind.ARM),
        (".json", b"\xef\xbb\xbf  " + TEMPLATE.encode(), Kind.ARM),
        (".json", TEMPLATE.encode("utf-16"), Kind.ARM),
        (".json", TEMPLATE.encode("utf-16-le"), Kind.ARM),
        (".json", b'{"contentVersion": "1.0.0.0", "resources": {}}', Kind.ARM),
        (".json", PARAMETERS.encode(), Kind.ARM_PARAMETERS),
        (".json", b'{"contentVersion": "1.0.0.0", "parameters": {}}', Kind.ARM_PARAMETERS),
        (".template", TEMPLATE.encode(), Kind.ARM),
        ("", b"targetScope = 'subscription'", Kind.BICEP),
        ("", b"using 'main.bicep'", Kind.BICEP_PARAMETERS),
        (".json", b'{"name": "a package", "resources": []}', None),
        (".json", b'[{"contentVersion": "1"}]', None),
        (".json", b"", None),
        ("", b"", None),
        ("", b"\x7fELF\0\0", None),
    ],
)
def test_what_a_file_is(ending: str, content: bytes, kind: Kind | None) -> None:
    assert kind_of(ending, content) == kind


def test_folders_are_walked_and_other_files_are_left_out(repo: Path) -> None:
    write(repo, "a.bicep")
    write(repo, "deep/er/t.json", TEMPLATE)
    write(repo, "deep/er/t.parameters.json", PARAMETERS)
    write(repo, "package.json", "{}")
    write(repo, "broken.json", '{"a": ')
    write(repo, "readme.md", "```bicep\nresource x 'a@b' = {}\n```")
    write(repo, "template.without-a-known-ending", TEMPLATE)
    write(repo, "binary.json", b"\0\x01\x02")
    write(repo, ".git/x.bicep")
    assert found(repo) == {
        "a.bicep": Kind.BICEP,
        "deep/er/t.json": Kind.ARM,
        "deep/er/t.parameters.json": Kind.ARM_PARAMETERS,
        "template.without-a-known-ending": Kind.ARM,
    }
    assert troubles(repo) == {}


def test_gitignore_of_every_folder_is_honoured(repo: Path) -> None:
    write(repo, ".gitignore", "out/\n*.json\n")
    write(repo, "deep/.gitignore", "!kept.json\nlocal.bicep\n")
    for path in ("out/a.bicep", "t.json", "deep/kept.json", "deep/local.bicep", "deep/other.json", "local.bicep"):
        write(repo, path, TEMPLATE)
    assert found(repo).keys() == {"deep/kept.json", "local.bicep"}
    assert found(repo, repo / "deep").keys() == {"deep/kept.json"}
    assert found(repo, repo / "out/a.bicep", repo / "deep").keys() == {"out/a.bicep", "deep/kept.json"}, "it is named"


def test_a_folder_that_is_ignored_is_walked_where_somebody_asks_for_it(repo: Path) -> None:
    write(repo, ".gitignore", "out\n")
    write(repo, "out/.gitignore", "no.bicep\n")
    for path in ("out/a.bicep", "out/deep/b.bicep", "out/no.bicep", "c.bicep"):
        write(repo, path)
    assert found(repo).keys() == {"c.bicep"}
    assert found(repo, repo / "out").keys() == {"out/a.bicep", "out/deep/b.bicep"}
    assert found(repo, repo / "out", repo).keys() == {"out/a.bicep", "out/deep/b.bicep", "c.bicep"}
    assert found(repo, repo / "out/deep").keys() == {"out/deep/b.bicep"}


def test_a_file_that_is_named_and_no_template_is_a_line(repo: Path) -> None:
    write(repo, "a.txt", "hello")
    write(repo, "saved.json", '{"properties": {"policyAssignmentId": "x"}}')
    said = troubles(repo, repo / "a.txt", repo / "saved.json", repo / "none")
    assert said == {
        "a.txt": "this is neither an ARM template or its parameters, nor Bicep",
        "saved.json": "this is no code; if it is exemptions that were saved from Azure, use `exg judge saved.json`",
        "none": "there is no such file or folder",
    }


def test_each_file_is_found_once(repo: Path) -> None:
    write(repo, "x/a.bicep")
    every = [*Repository(repo).walk((repo, repo / "x", repo / "x/a.bicep"))]
    assert [one.path for one in every] == ["x/a.bicep"]


def test_links_that_lead_out_are_not_opened(repo: Path, tmp_path: Path) -> None:
    secret = write(tmp_path, "outside/secret.bicep", "param secret string")
    (repo / "file.bicep").symlink_to(secret)
    (repo / "folder").symlink_to(secret.parent)
    (repo / "notes").symlink_to(secret)
    (repo / "loop.bicep").symlink_to(repo / "loop.bicep")
    (repo / "gone.json").symlink_to(repo / "nowhere")
    write(repo, "good.bicep")
    (repo / "inside.bicep").symlink_to(repo / "good.bicep")
    assert found(repo).keys() == {"good.bicep", "inside.bicep"}
    said = troubles(repo)
    out = "it is a link that leads out of the repository, so it is not read"
    assert said.pop("file.bicep") == said.pop("folder") == out
    assert said.keys() == {"loop.bicep", "gone.json"}
    for path in ("file.bicep", "folder/secret.bicep", "../outside/secret.bicep", "x/../../outside/secret.bicep"):
        with pytest.raises(Unreadable):
            Repository(repo).read(path)
    assert Repository(repo).read("inside.bicep") == b""


def test_a_link_to_a_folder_above_is_one_line_and_the_rest_is_walked(repo: Path) -> None:
    write(repo, "a/b/x.bicep")
    (repo / "a/b/up").symlink_to(repo / "a")
    (repo / "again").symlink_to(repo / "a/b")
    assert found(repo).keys() == {"a/b/x.bicep"}
    assert troubles(repo) == {"a/b/up": "it is a link to a folder above it; it is not entered again"}


def test_special_files_are_not_opened(repo: Path) -> None:
    os.mkfifo(repo / "pipe.bicep")
    os.mkfifo(repo / "pipe")
    with socket.socket(socket.AF_UNIX) as listening:
        here = Path.cwd()
        os.chdir(repo)  # a socket's path is short
        listening.bind("socket.json")
        os.chdir(here)
        write(repo, "good.bicep")
        assert found(repo).keys() == {"good.bicep"}
        said = troubles(repo)
    assert said["pipe.bicep"] == "it is a named pipe, not a plain file"
    assert "socket.json" in said


def test_what_is_too_large_is_a_line(repo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tree, "LARGEST", 1_000)
    write(repo, "big.bicep", "//" + "x" * 1_000)
    write(repo, "big.dat", "x" * 2_000)
    write(repo, "small.bicep")
    assert found(repo).keys() == {"small.bicep"}
    assert troubles(repo) == {"big.bicep": "it has 1,002 bytes; at most 1,000 are read"}


def test_an_unreadable_folder_is_a_line(repo: Path) -> None:
    write(repo, "closed/x.bicep")
    write(repo, "open.bicep")
    (repo / "closed").chmod(0)
    try:
        with ThreadPoolExecutor(initializer=without_privileges) as threads:
            assert threads.submit(found, repo).result().keys() == {"open.bicep"}
            said = threads.submit(troubles, repo).result()
    finally:
        (repo / "closed").chmod(0o700)
    assert said == {"closed": "the folder cannot be read: permission denied"}


def test_a_folder_that_cannot_be_listed_is_a_line(repo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(repo, "closed/x.bicep")
    write(repo, "open.bicep")
    scan = os.scandir

    def scandir(path: str) -> object:
        if str(path).endswith("closed"):
            raise PermissionError(13, "Permission denied")
        return scan(path)

    monkeypatch.setattr(os, "scandir", scandir)
    assert found(repo).keys() == {"open.bicep"}
    assert troubles(repo) == {"closed": "the folder cannot be read: permission denied"}


def test_folders_without_end_are_cut(repo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(walk, "DEEPEST", 3)
    write(repo, "1/2/x.bicep")
    write(repo, "1/2/3/x.bicep")
    assert found(repo).keys() == {"1/2/x.bicep"}
    assert troubles(repo) == {"1/2/3": "more than 3 folders deep; what is in it is not read"}


def test_the_root_is_the_repository_else_here_else_what_holds_all(repo: Path, tmp_path: Path) -> None:
    inner = write(repo, "x/y/a.bicep")
    assert root_of([inner], tmp_path / "elsewhere") == repo
    loose = write(tmp_path, "loose/a/b.bicep")
    assert root_of([loose], tmp_path) == tmp_path
    assert root_of([loose], repo) == loose.parent
    assert root_of([loose, tmp_path / "loose/c"], repo) == tmp_path / "loose"


@pytest.mark.parametrize(
    "reference", ["/etc/passwd", "../../x", "C:\\x", "\\\\server\\share", "a\0b", "../..", "a/../../.."]
)
def test_a_reference_that_leads_out_is_refused(repo: Path, reference: str) -> None:
    with pytest.raises(Unreadable):
        Repository(repo).joined("x/main.bicep", reference)


def test_a_reference_is_relative_to_its_file(repo: Path) -> None:
    assert Repository(repo).joined("x/main.bicep", "../modules/a.bicep") == "modules/a.bicep"
    assert Repository(repo).joined("main.bicep", "./a.bicep") == "a.bicep"


def test_the_root_may_be_a_link_itself(repo: Path, tmp_path: Path) -> None:
    write(repo, "x/a.bicep")
    link = tmp_path / "link"
    link.symlink_to(repo)
    (repo / "out").symlink_to(tmp_path)
    assert found(link, link / "x").keys() == found(link).keys() == {"x/a.bicep"}
    assert Repository(link).read("x/a.bicep") == b""
    with pytest.raises(Unreadable):
        Repository(link).read("out/link/x/../../../etc")
