package server

// packetQueue is a bounded FIFO of packets. It is used by one goroutine.
type packetQueue struct {
	slots       []*packet // nil where none was before: full it takes 7 MB
	first, used int
}

func newPacketQueue(size int) *packetQueue { return &packetQueue{slots: make([]*packet, size)} }

// push queues p and returns an unused packet in its place; p itself, with ok false, when the queue is full.
func (q *packetQueue) push(p *packet) (unused *packet, ok bool) {
	if q.used == len(q.slots) {
		return p, false
	}
	slot := &q.slots[(q.first+q.used)%len(q.slots)]
	q.used++
	if unused, *slot = *slot, p; unused == nil {
		unused = new(packet)
	}
	return unused, true
}

// pop returns the oldest packet, which is valid until the next push; nil when there is none.
func (q *packetQueue) pop() *packet {
	if q.used == 0 {
		return nil
	}
	p := q.slots[q.first]
	q.first = (q.first + 1) % len(q.slots)
	q.used--
	return p
}
