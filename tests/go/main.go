// Tlogcheck reads static logs with Go's own packages for transparency logs
// (golang.org/x/mod/sumdb) and checks what they claim:
//
//	tlogcheck VKEY NOTE DIRECTORY [NOTE DIRECTORY]...
//
// Each NOTE is a signed checkpoint under VKEY, each DIRECTORY its tiles. The
// logs are sizes of one tree, the smallest first. It prints a line for each.
package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// Logs of up to this many records are checked record by record.
const small = 1000

// tiles reads the layout of C2SP, where there is neither height nor "data".
type tiles struct{ directory string }

func (t tiles) path(tile tlog.Tile) string {
	path := strings.TrimPrefix(tile.Path(), "tile/8/")
	if data := strings.TrimPrefix(path, "data/"); data != path {
		path = "entries/" + data
	}
	return filepath.Join(t.directory, "tile", path)
}

func (t tiles) Height() int { return 8 }

func (t tiles) ReadTiles(wanted []tlog.Tile) ([][]byte, error) {
	var all [][]byte
	for _, tile := range wanted {
		data, err := os.ReadFile(t.path(tile))
		if err != nil {
			return nil, err
		}
		all = append(all, data)
	}
	return all, nil
}

func (t tiles) SaveTiles([]tlog.Tile, [][]byte) {}

// entry is record n of a log of this size.
func (t tiles) entry(size, n int64) []byte {
	width := int64(256)
	if n/256 == size/256 {
		width = size % 256
	}
	data, err := os.ReadFile(t.path(tlog.Tile{H: 8, L: -1, N: n / 256, W: int(width)}))
	check(err, "bundle of record", n)
	for ; ; n-- {
		if len(data) < 2 || len(data) < 2+int(binary.BigEndian.Uint16(data)) {
			fail("a bundle is short")
		}
		end := 2 + int(binary.BigEndian.Uint16(data))
		if n%256 == 0 {
			return data[2:end]
		}
		data = data[end:]
	}
}

func main() {
	if len(os.Args) < 4 || len(os.Args)%2 != 0 {
		fail("usage: tlogcheck VKEY NOTE DIRECTORY [NOTE DIRECTORY]...")
	}
	verifier, err := note.NewVerifier(os.Args[1])
	check(err, "key")
	var older []tlog.Tree
	for args := os.Args[2:]; len(args) > 0; args = args[2:] {
		message, err := os.ReadFile(args[0])
		check(err, "checkpoint")
		signed, err := note.Open(message, note.VerifierList(verifier))
		check(err, "checkpoint", args[0])
		origin, rest, _ := strings.Cut(signed.Text, "\n")
		if origin != verifier.Name() {
			fail("the checkpoint is of", origin)
		}
		// Go's checksum database has this origin; the rest is the same.
		tree, err := tlog.ParseTree([]byte("go.sum database tree\n" + rest))
		check(err, "tree head")
		reader := tlog.TileHashReader(tree, tiles{args[1]})
		records, sizes := records(tree, reader, tiles{args[1]}), 0
		for _, old := range older {
			sizes += consistent(tree, old, reader)
		}
		if tree.N > 0 {
			older = append(older, tree)
		} else if tree.Hash != sha256.Sum256(nil) {
			fail("the empty tree has another root")
		}
		fmt.Printf("size %d: %d records, %d older sizes, %d signatures, %d unknown\n",
			tree.N, records, sizes, len(signed.Sigs), len(signed.UnverifiedSigs))
	}
}

// records checks every record of a small log, and of a large one the ends of
// bundles and some between.
func records(tree tlog.Tree, reader tlog.HashReader, from tiles) (checked int) {
	for n := int64(0); n < tree.N; n++ {
		edge := n%256 == 0 || n%256 == 255 || n == tree.N-1
		if tree.N > small && (!edge || n%7 != 0) && n != tree.N-1 {
			continue
		}
		hash := tlog.RecordHash(from.entry(tree.N, n))
		stored, err := reader.ReadHashes([]int64{tlog.StoredHashIndex(0, n)})
		check(err, "hash of record", n)
		if !bytes.Equal(stored[0][:], hash[:]) {
			fail("the tile has another hash for record", n)
		}
		proof, err := tlog.ProveRecord(tree.N, n, reader)
		check(err, "proof of record", n)
		check(tlog.CheckRecord(proof, tree.N, tree.Hash, n, hash), "record", n)
		checked++
	}
	return checked
}

func consistent(tree, old tlog.Tree, reader tlog.HashReader) int {
	proof, err := tlog.ProveTree(tree.N, old.N, reader)
	check(err, "proof of size", old.N)
	check(tlog.CheckTree(proof, tree.N, tree.Hash, old.N, old.Hash), "size", old.N)
	return 1
}

func check(err error, what ...any) {
	if err != nil {
		fail(append(what, err)...)
	}
}

func fail(what ...any) {
	fmt.Fprintln(os.Stderr, append([]any{"tlogcheck:"}, what...)...)
	os.Exit(1)
}
