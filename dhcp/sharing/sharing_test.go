package sharing_test

import (
	"fmt"
	"net/netip"
	"testing"

	"plugtone/dhcp/sharing"
)

// The mixing table is a permutation, so that every key changes the hash.
func TestHashIsAPermutationOfTheLastByte(t *testing.T) {
	seen := map[byte]bool{}
	for b := range 256 {
		seen[sharing.Hash([]byte{byte(b)})] = true
	}
	if len(seen) != 256 {
		t.Errorf("%d values of 256", len(seen))
	}
}

// The values are computed from the algorithm and table of RFC 3074, section 6, by hand: each step is table[hash ^ byte].
func TestHashOfRFC3074(t *testing.T) {
	for key, want := range map[string]byte{"": 0, "\x00": 175, "\x01": 251, "\x00\x00": 150} {
		if got := sharing.Hash([]byte(key)); got != want {
			t.Errorf("hash of % x is %d, want %d", key, got, want)
		}
	}
}

func members(alive ...bool) []sharing.Member {
	var out []sharing.Member
	for i, a := range alive {
		out = append(out, sharing.Member{Name: fmt.Sprintf("m%d", i), ServerID: netip.AddrFrom4([4]byte{10, 20, 0, byte(2 + i)}), Alive: a})
	}
	return out
}

func mac(n int) [6]byte { return [6]byte{0x00, 0x15, 0x65, byte(n >> 16), byte(n >> 8), byte(n)} }

// C53: each client has exactly one of the live servers, whichever of them computes it, and each gets its part.
func TestLiveServersDivideClientsC53(t *testing.T) {
	for _, alive := range [][]bool{{true, true}, {true, true, true}, {true, false, true}, {false, false, true}} {
		all := members(alive...)
		count := map[string]int{}
		for n := range 3000 {
			var mine []string
			for i, m := range all {
				if alive[i] && sharing.NewServers(m.Name, all, sharing.State{Usable: true}).Mine(mac(n)) {
					mine = append(mine, m.Name)
				}
			}
			if len(mine) != 1 {
				t.Fatalf("alive %v: client %d is served by %v", alive, n, mine)
			}
			count[mine[0]]++
		}
		live, buckets := 0, 0
		v := sharing.NewServers(all[len(all)-1].Name, all, sharing.State{Usable: true}) // the last one lives in each case
		for i, m := range all {
			if alive[i] {
				live++
				buckets += v.Buckets(m.Name)
			} else if v.Buckets(m.Name) != 0 {
				t.Errorf("a dead server has %d buckets", v.Buckets(m.Name))
			}
		}
		if buckets != 256 {
			t.Errorf("%d buckets", buckets)
		}
		for name, n := range count {
			if n < 3000/live*8/10 || n > 3000/live*12/10 {
				t.Errorf("alive %v: %s has %d of 3000 clients", alive, name, n)
			}
		}
	}
}

// C56: the addresses of live servers are disjoint, and those of a dead one are offered by the others.
func TestSharesOfAddressesC56(t *testing.T) {
	all := members(true, true)
	a, b := sharing.NewServers("m0", all, sharing.State{Usable: true}), sharing.NewServers("m1", all, sharing.State{Usable: true})
	alone := sharing.NewServers("m0", members(true, false), sharing.State{Usable: true})
	for i := range 200 {
		addr := netip.AddrFrom4([4]byte{10, 20, 0, byte(i)})
		if a.Offers(addr) == b.Offers(addr) {
			t.Errorf("%s: offered by both or by none", addr)
		}
		if !alone.Offers(addr) {
			t.Errorf("%s of a dead server is not offered", addr)
		}
	}
}

// A server that is not registered yet counts as a member.
func TestServersIncludeThisOne(t *testing.T) {
	v := sharing.NewServers("m9", members(true, true), sharing.State{Usable: true})
	if len(v.Members()) != 3 || v.Buckets("m9") == 0 {
		t.Errorf("%+v", v.Members())
	}
	if _, ok := v.Other(netip.Addr{}); ok {
		t.Error("a member without an address was found by none")
	}
}
