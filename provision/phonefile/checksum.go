package phonefile

import (
	"crypto/md5" // phones of 2014 check transfers with it; it protects nothing
	"crypto/sha1"
	"crypto/sha256"
	"encoding/hex"
	"fmt"

	"plugtone/provision/render"
)

// renderChecksum renders the file that f is the checksum of, and returns its digest in lower-case hexadecimal.
func (r *Renderer) renderChecksum(f *File, m *Model, p Phone) ([]byte, []render.Param, error) {
	of, err := r.File(f.Of, m)
	if err != nil {
		return nil, nil, err
	}
	body, _, err := r.renderFile(of, m, p)
	if err != nil {
		return nil, nil, err
	}
	return append([]byte(f.sum(body)), '\n'), nil, nil
}

func (f *File) sum(body []byte) string {
	switch f.Digest {
	case "sha1":
		d := sha1.Sum(body)
		return hex.EncodeToString(d[:])
	case "sha256":
		d := sha256.Sum256(body)
		return hex.EncodeToString(d[:])
	}
	d := md5.Sum(body)
	return hex.EncodeToString(d[:])
}

// verify reads a rendered file back in its format.
func (f *File) verify(data []byte, params []render.Param) error {
	if f.Of == "" {
		return f.format().Verify(data, params)
	}
	sum, err := hex.DecodeString(string(data[:max(len(data)-1, 0)]))
	if err != nil || len(sum) < md5.Size {
		return fmt.Errorf("%.80q is not a digest %s", data, f.Digest)
	}
	return nil
}
