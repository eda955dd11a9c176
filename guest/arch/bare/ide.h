void ide_interrupt(void);
