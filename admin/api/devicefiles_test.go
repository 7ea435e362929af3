package api

import (
	"net/netip"
	"testing"
	"time"

	"plugtone/provision"
	"plugtone/provision/devicestatus"
	"plugtone/provision/fleet"
)

// A file from another member of the cluster, which names the address of that one, is compared with what that one would answer. What is not
// served again has changed, also when its digest is the one that was fetched: that of a subnet whose configuration is not known here.
func TestFileOfAnotherMemberIsComparedWithItsAnswer(t *testing.T) {
	server := netip.MustParseAddr("10.20.0.3")
	fetches := []fleet.Fetch{{File: "/A.cfg", Digest: "theirs", Time: time.Unix(1, 0), Server: server}}
	files := []provision.FileInfo{{Name: "a.cfg", Outcome: string(provision.Served), Digest: "ours"}}
	for answer, want := range map[devicestatus.File]string{
		{Served: true, Digest: "theirs"}: "same", {Served: true, Digest: "newer"}: "changed", {Digest: "theirs"}: "changed",
	} {
		got := compare(fetches, files, func(f fleet.Fetch) devicestatus.File {
			if f.Server != server {
				t.Errorf("compared with the answer of %s", f.Server)
			}
			return answer
		})
		if len(got) != 1 || got[0].Change != want || (got[0].Note != "") != (want == "same") {
			t.Errorf("the other member would answer %+v: %+v", answer, got)
		}
	}
}
