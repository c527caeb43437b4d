"""A commit's files are walked as those of the disk are, and git runs and fetches nothing."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from guardrails.files import git_tree, tree
from guardrails.files.git import GitError
from guardrails.files.git_tree import GitTree
from guardrails.files.tree import DISK, Unreadable
from guardrails.files.walk import Repository

from .repositories import commit, git, make

ARM = '{"$schema": "https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#", "resources": []}'


_OPEN: list[GitTree] = []


@pytest.fixture(autouse=True)
def closed() -> Iterator[None]:
    yield
    while _OPEN:
        _OPEN.pop().close()


def tree_of(root: Path, revision: str) -> GitTree:
    _OPEN.append(GitTree(root, revision))
    return _OPEN[-1]


@pytest.fixture
def repo(tmp_path: Path) -> Path:
    return make(tmp_path / "repo")


def write(root: Path, path: str, text: str | bytes = "") -> Path:
    file = root / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    return file


def full(root: Path) -> None:
    """Something of everything that the walk distinguishes."""
    write(root, "infra/main.bicep", "param x string\n")
    write(root, "infra/a b/ü.json", ARM)
    write(root, "infra/data", "{" + ARM)
    write(root, "infra/empty.bicep")
    write(root, "infra/broken.json", b"\xff\xfe{\0")
    write(root, ".gitignore", "ignored/\n*.tmp.json\n")
    write(root, "ignored/a.bicep", "x")
    write(root, "infra/a.tmp.json", ARM)
    write(root, "infra/image.png", b"\x89PNG")
    write(root, "script.sh", "#!/bin/sh").chmod(0o755)
    (root / "link.bicep").symlink_to("infra/main.bicep")
    (root / "folder").symlink_to("infra/a b")
    (root / "out.bicep").symlink_to("/etc/passwd")
    (root / "away.bicep").symlink_to("../../elsewhere.bicep")
    (root / "lost.bicep").symlink_to("nowhere.bicep")
    (root / "self.bicep").symlink_to("self.bicep")
    (root / "infra/up").symlink_to("../infra")
    (root / "absolute.bicep").symlink_to(root / "infra/main.bicep")


def test_a_commit_is_walked_as_the_disk_is(repo: Path) -> None:
    full(repo)
    commit(repo)
    now = Repository(repo)
    then = Repository(repo, tree_of(repo, "HEAD"))
    for path in (repo, repo / "infra", repo / "folder", repo / "ignored", repo / "self.bicep", repo / "none"):
        assert [*then.walk([path])] == [*now.walk([path])], path
    assert {*then.listed("infra")} == {*now.listed("infra")}
    assert then.folders("") == now.folders("")
    assert sorted(then.json_below("infra")) == sorted(now.json_below("infra"))
    wanted = sorted((here, sorted(names), sorted(files)) for here, names, files in now.below(str(repo / "infra")))
    assert (
        sorted((here, sorted(names), sorted(files)) for here, names, files in then.below(str(repo / "infra"))) == wanted
    )


@pytest.mark.parametrize(
    "path",
    ["", "infra", "infra/", "infra/main.bicep", "link.bicep", "folder", "folder/ü.json", "out.bicep", "away.bicep",
     "lost.bicep", "self.bicep", "self.bicep/x", "infra/main.bicep/x", "infra/up/up/main.bicep", "none", "folder/..",
     "absolute.bicep"],
)  # fmt: skip
def test_a_path_is_in_a_commit_what_it_is_on_the_disk(repo: Path, path: str) -> None:
    full(repo)
    commit(repo)
    then = tree_of(repo, "HEAD")
    place = f"{repo}/{path}".rstrip("/")
    assert then.exists(place) == DISK.exists(place)
    assert then.is_folder(place) == DISK.is_folder(place)
    assert then.is_link(place) == DISK.is_link(place)
    assert then.is_file(place) == (DISK.is_file(place) and DISK.real(place).startswith(str(repo)))
    if DISK.exists(place) and not place.endswith(("self.bicep", "lost.bicep")):
        assert then.real(place) == DISK.real(place)


def test_what_changed_since_is_read_as_it_was(repo: Path) -> None:
    write(repo, "a.bicep", "one")
    write(repo, "gone/b.bicep", "two")
    first = commit(repo)
    write(repo, "a.bicep", "changed")
    shutil.rmtree(repo / "gone")
    commit(repo)
    for name in (first, first[:10], "HEAD^", "HEAD~1", "main~1"):
        then = Repository(repo, tree_of(repo, name))
        assert (then.read("a.bicep"), then.read("gone/b.bicep")) == (b"one", b"two")
    assert not Repository(repo, tree_of(repo, "main")).has("gone/b.bicep")


@pytest.mark.parametrize(
    "name", ["-h", "--all", "nothing", "", "main..main", "main:a.bicep", "a\nb", "HEAD\0", "main main", "x" * 2_000]
)
def test_what_is_no_revision_is_one_line(repo: Path, name: str) -> None:
    write(repo, "a.bicep")
    commit(repo)
    with pytest.raises(GitError, match=r"is no revision") as caught:
        tree_of(repo, name)
    assert "\n" not in str(caught.value)


def test_what_is_no_repository_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(GitError, match="is in no working tree of git"):
        tree_of(tmp_path, "HEAD")
    (tmp_path / ".git").mkdir()
    with pytest.raises(GitError, match="is no git repository"):
        tree_of(tmp_path, "HEAD")
    with pytest.raises(GitError, match="is no revision of this repository"):
        tree_of(make(tmp_path / "new"), "HEAD")


def test_without_git_it_says_so_and_a_program_of_the_repository_is_not_taken_for_it(
    repo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(repo, "bin/git", "#!/bin/sh\ntouch ran\n").chmod(0o755)
    commit(repo)
    monkeypatch.chdir(repo)
    monkeypatch.setenv("PATH", os.pathsep.join((str(repo / "bin"), "bin", ".", "")))
    with pytest.raises(GitError, match="git is not on the PATH"):
        tree_of(repo, "HEAD")
    assert not (repo / "ran").exists()


def test_a_shallow_clone_says_what_to_do(repo: Path, tmp_path: Path) -> None:
    write(repo, "a.bicep", "1")
    first = commit(repo)
    write(repo, "a.bicep", "2")
    commit(repo)
    git(tmp_path, "clone", "-q", "--depth", "1", f"file://{repo}", "shallow")
    assert tree_of(tmp_path / "shallow", "HEAD").commit
    with pytest.raises(GitError) as caught:
        tree_of(tmp_path / "shallow", first)
    assert "shallow" in caught.value.remedy


def test_a_partial_clone_fetches_nothing_and_names_what_it_lacks(repo: Path, tmp_path: Path) -> None:
    write(repo, "a.bicep", "1")
    write(repo, "b/c.bicep", "2")
    commit(repo)
    git(repo, "config", "uploadpack.allowFilter", "true")
    git(tmp_path, "clone", "-q", "--no-checkout", "--filter=blob:none", f"file://{repo}", "partial")
    partial = tmp_path / "partial"
    then = Repository(partial, tree_of(partial, "HEAD"))
    assert then.has("b/c.bicep")
    for path in ("a.bicep", "b/c.bicep"):
        with pytest.raises(Unreadable, match=r"git cannot read it|lacks objects"):
            then.read(path)
    missing = git(partial, "rev-list", "--objects", "--all", "--missing=print").count("?")
    assert missing == 2


def test_nothing_that_a_repository_configures_is_run(
    repo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(repo, "a.bicep", "1")
    write(repo, ".gitattributes", "* filter=evil diff=evil\n")
    commit(repo)
    ran = tmp_path / "ran"
    evil = f"touch {ran}"
    for name in ("core.fsmonitor", "core.pager", "pager.cat-file", "pager.rev-parse", "core.sshCommand",
                 "filter.evil.smudge", "filter.evil.clean", "diff.evil.textconv", "diff.evil.command", "diff.external",
                 "core.editor", "core.askPass", "credential.helper", "uploadpack.packObjectsHook"):  # fmt: skip
        git(repo, "config", name, evil)
    for hook in ("post-checkout", "reference-transaction", "post-index-change", "fsmonitor-watchman"):
        write(repo, f".git/hooks/{hook}", f"#!/bin/sh\n{evil}\n").chmod(0o755)
    monkeypatch.setenv("GIT_EXTERNAL_DIFF", evil)
    monkeypatch.setenv("GIT_DIR", str(tmp_path))
    monkeypatch.setenv("GIT_TRACE", str(ran))
    then = Repository(repo, tree_of(repo, "HEAD"))
    assert then.read("a.bicep") == b"1"
    assert len([*then.walk([repo])]) == 1
    assert not ran.exists()


def test_a_replaced_object_is_not_taken_for_the_one_that_was_committed(repo: Path) -> None:
    write(repo, "a.bicep", "true")
    commit(repo)
    other = git(repo, "hash-object", "-w", "--stdin", given=b"false")
    git(repo, "replace", git(repo, "rev-parse", "HEAD:a.bicep"), other)
    assert Repository(repo, tree_of(repo, "HEAD")).read("a.bicep") == b"true"


def test_a_submodule_is_not_entered(repo: Path, tmp_path: Path) -> None:
    inner = make(tmp_path / "inner")
    write(inner, "a.bicep", "1")
    commit(inner)
    write(repo, "b.bicep", "2")
    git(repo, "submodule", "add", "-q", f"file://{inner}", "sub")
    commit(repo)
    then = tree_of(repo, "HEAD")
    assert [one.path for one in Repository(repo, then).walk([repo])] == ["b.bicep"]
    assert [*then.submodules] == ["sub"]


def test_what_is_too_large_is_a_line_and_the_rest_is_read(repo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(repo, "big.bicep", "x" * 100_000)
    write(repo, "small.bicep", "x")
    write(repo, "other.bicep", "version https://git-lfs.github.com/spec/v1\noid sha256:0\n")
    commit(repo)
    monkeypatch.setattr(tree, "LARGEST", 10_000)
    then = Repository(repo, tree_of(repo, "HEAD"))
    with pytest.raises(Unreadable, match="it has 100,000 bytes; at most 10,000 are read"):
        then.read("big.bicep")
    assert then.read("small.bicep") == b"x"
    with pytest.raises(Unreadable, match="Git LFS"):
        then.read("other.bicep")


def test_trees_that_hold_one_another_are_cut(repo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    blob = git(repo, "hash-object", "-w", "--stdin", given=b"x")
    name = git(repo, "mktree", given=f"100644 blob {blob}\ta.bicep\n".encode())
    for _ in range(12):
        lines = "".join(f"040000 tree {name}\t{one}\n" for one in "abcdefgh")
        name = git(repo, "mktree", given=lines.encode())
    commit_hash = git(repo, "commit-tree", name, "-m", "x")
    monkeypatch.setattr(git_tree, "MOST", 5_000)
    with pytest.raises(GitError, match="more than 5,000 files and folders"):
        [*Repository(repo, tree_of(repo, commit_hash)).walk([repo])]


def test_a_name_that_no_file_can_have_is_refused(repo: Path) -> None:
    blob = git(repo, "hash-object", "-w", "--stdin", given=b"x")
    raw = b"100644 ..\0" + bytes.fromhex(blob) + b"100644 a.bicep\0" + bytes.fromhex(blob)
    name = git(repo, "hash-object", "-t", "tree", "-w", "--literally", "--stdin", given=raw)
    commit_hash = git(repo, "commit-tree", name, "-m", "x")
    with pytest.raises(GitError, match="cannot be read: a name in the folder is one that no file can have"):
        tree_of(repo, commit_hash)


def test_a_fork_reads_by_a_program_of_its_own(repo: Path) -> None:
    for number in range(50):
        write(repo, f"{number}.bicep", str(number) * 5_000)
    commit(repo)
    then = Repository(repo, tree_of(repo, "HEAD"))
    assert then.read("0.bicep") == b"0" * 5_000
    child = os.fork()
    if not child:
        right = all(then.read(f"{number}.bicep") == str(number).encode() * 5_000 for number in range(50))
        os._exit(0 if right else 1)
    assert all(then.read(f"{number}.bicep") == str(number).encode() * 5_000 for number in range(50))
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0
