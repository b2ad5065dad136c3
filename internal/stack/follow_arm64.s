//go:build gc && !purego

#include "textflag.h"

// func follow(from unsafe.Pointer, pcs *uintptr, limit int) int
//
// A frame pointer points to that of the caller; the return address is above it. A g
// begins with the bounds of its stack.
TEXT ·follow(SB), NOSPLIT|NOFRAME, $0-32
	MOVD pcs+8(FP), R0
	MOVD limit+16(FP), R1
	MOVD $0, R2
	MOVD 0(g), R3 // the least address of the stack
	MOVD 8(g), R4 // the one after its last
	SUB  $16, R4
	MOVD from+0(FP), R5
	CBNZ R5, next
	MOVD R29, R5

next:
	CMP  R1, R2
	BGE  end
	CBZ  R5, end
	CMP  R3, R5
	BLO  lost
	CMP  R4, R5
	BHI  lost
	MOVD 8(R5), R6
	MOVD R6, (R0)(R2<<3)
	ADD  $1, R2
	ADD  $1, R5, R3 // outwards only
	MOVD (R5), R5
	JMP  next

lost:
	MOVD $-1, R2

end:
	MOVD R2, ret+24(FP)
	RET
